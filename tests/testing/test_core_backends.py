"""Core's own catalogue and log sink pass the suites, over files, over HTTP and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.storage.catalogue import DatastoreCatalogue
from penstock.storage.logs import DatastoreLogSink
from penstock.testing import HttpDatastore, HttpStoreServer, LogSinkSuite, MemoryDatastore, MetadataSuite
from penstock_local.file_datastore import FileDatastore


class TestCatalogueOfFiles(MetadataSuite):
    keeps_rows = False

    def make(self, tmp_path: Path) -> DatastoreCatalogue:
        return DatastoreCatalogue(FileDatastore(root=str(tmp_path / "store")))


class TestCatalogueInMemory(MetadataSuite):
    keeps_rows = False

    def make(self, tmp_path: Path) -> DatastoreCatalogue:
        return DatastoreCatalogue(MemoryDatastore())


class TestCatalogueOverHttp(MetadataSuite):
    keeps_rows = False

    @pytest.fixture(autouse=True)
    def server(self) -> Iterator[None]:
        with HttpStoreServer() as server:
            self.url = server.url
            yield

    def make(self, tmp_path: Path) -> DatastoreCatalogue:
        return DatastoreCatalogue(HttpDatastore(url=self.url))


class TestLogsInFiles(LogSinkSuite):
    def make(self, tmp_path: Path) -> DatastoreLogSink:
        return DatastoreLogSink(FileDatastore(root=str(tmp_path / "store")))


class TestLogsInMemory(LogSinkSuite):
    def make(self, tmp_path: Path) -> DatastoreLogSink:
        return DatastoreLogSink(MemoryDatastore())


class TestLogsOverHttp(LogSinkSuite):
    @pytest.fixture(autouse=True)
    def server(self) -> Iterator[None]:
        with HttpStoreServer() as server:
            self.url = server.url
            yield

    def make(self, tmp_path: Path) -> DatastoreLogSink:
        return DatastoreLogSink(HttpDatastore(url=self.url))
