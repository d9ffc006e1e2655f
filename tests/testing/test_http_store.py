"""The datastore over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.testing import DatastoreSuite, HttpDatastore, HttpStoreServer, MemoryDatastore


class TestHttpDatastore(DatastoreSuite):
    @pytest.fixture(autouse=True)
    def server(self) -> Iterator[None]:
        with HttpStoreServer() as server:
            self.url = server.url
            yield

    def make(self, tmp_path: Path) -> HttpDatastore:
        return HttpDatastore(url=self.url)


class TestMemoryDatastore(DatastoreSuite):
    def make(self, tmp_path: Path) -> MemoryDatastore:
        return MemoryDatastore()
