"""The suite that every executor passes, on Docker and on Podman's service in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_hex

import docker
import pytest

from penstock.contracts.executor import Job, RunInfo
from penstock.errors import JobRejected
from penstock.testing import ExecutorSuite
from penstock.testing.executor_suite import Bench
from penstock_docker.executor import DockerExecutor
from penstock_docker.recipe import LABEL
from tests.engine import engines, images, pythons
from tests.services.waiting import until


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

    def test_secrets_are_in_nothing_that_the_engine_tells(
        self, bench: Bench, executor: DockerExecutor, engine: docker.DockerClient
    ) -> None:
        secret = token_hex(16)
        job, key = bench.attempt("hold", secrets={"SUITE_SECRET": secret})
        handle = executor.submit(job)
        try:
            until((bench.part(key) / "running").exists)
            container = engine.containers.get(handle)
            assert secret not in json.dumps(container.attrs)
            assert secret not in container.logs().decode()
            assert secret not in str(container.top())
        finally:
            bench.go(key)
        until(lambda: executor.poll([handle], 0.2)[handle].state.ended)
        assert secret.encode() not in bench.datastore.get(key)


class TestPodman(OnAnEngine):
    many = 3

    def test_an_image_that_is_not_there_is_pulled_to_know_whether_it_can_be(self, executor: DockerExecutor) -> None:
        with pytest.raises(JobRejected, match="localhost:1/nobody/has:1 can't be pulled"):
            executor.check(Job(name="start", message="", options={"image": "localhost:1/nobody/has:1"}))

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def on_podman(cls, podman_url: str) -> Iterator[None]:
        with closing(engines.connect(podman_url)) as client:
            cls.url, cls.image = podman_url, images.python_image(client, pythons.supported()[0])
            yield
            remove_containers(client)


def remove_containers(client: docker.DockerClient) -> None:
    """Those of the suite's flow that nobody has forgotten."""
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}.flow=SuiteJobsFlow"}):
        container.remove(force=True)
