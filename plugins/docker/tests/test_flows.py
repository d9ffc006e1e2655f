"""Real flows, whole, in containers, on the local store."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from penstock.testing import FlowSuite


class TestDocker(FlowSuite):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def on_docker(cls, image: str) -> Iterator[None]:
        cls.options = ("--executor=docker",)
        cls.image = image
        yield

    def environment(self) -> dict[str, str]:
        here = os.getcwd()  # the flows of the suite leave marks beside themselves
        mine = {"IMAGE": self.image, "NETWORK": "none", "VOLUMES": f"{here}:{here}"}
        return {**super().environment(), **{f"PENSTOCK_DOCKER_{name}": text for name, text in mine.items()}}


class TestWarmContainers(TestDocker):
    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PENSTOCK_DOCKER_REUSE": "true"}
