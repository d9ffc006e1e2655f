"""Jobs as strangers on this machine, over files and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.contracts.executor import RunInfo
from penstock.testing import ExecutorSuite, HttpDatastore, HttpStoreServer
from penstock.testing.isolated_executor import IsolatedExecutor


class TestIsolatedExecutor(ExecutorSuite):
    many = 8

    def make(self, run: RunInfo, folder: Path) -> IsolatedExecutor:
        return IsolatedExecutor(run, folder=str(folder / "jobs"))


class TestOverHttp(ExecutorSuite):
    many = 8

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls) -> Iterator[None]:
        with HttpStoreServer() as server:
            cls.url = server.url
            yield

    def make(self, run: RunInfo, folder: Path) -> IsolatedExecutor:
        return IsolatedExecutor(run, folder=str(folder / "jobs"))

    def make_datastore(self, folder: Path) -> HttpDatastore:
        return HttpDatastore(url=self.url)
