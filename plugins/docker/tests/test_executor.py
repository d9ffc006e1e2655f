"""The suites that every executor passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from penstock.contracts.executor import RunInfo
from penstock.testing import ExecutorSuite
from penstock_docker.container import LABEL
from penstock_docker.executor import DockerExecutor
from tests.engine import engines


class OnAnEngine(ExecutorSuite):
    many = 6
    url: str
    image: str

    def make(self, run: RunInfo, folder: Path) -> DockerExecutor:
        return DockerExecutor(run, image=self.image, url=self.url, network="none")


class TestDocker(OnAnEngine):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def on_docker(cls, engine: docker.DockerClient, image: str) -> Iterator[None]:
        cls.url, cls.image = engines.url(), image
        yield
        remove_containers(engine)


def remove_containers(client: docker.DockerClient) -> None:
    """Those of the suite's flow that nobody has forgotten."""
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}.flow=SuiteJobsFlow"}):
        container.remove(force=True)
