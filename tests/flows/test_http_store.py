"""Real flows on a datastore of another make: no files, another host as far as anybody can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import keys
from penstock.catalogue import DatastoreCatalogue
from penstock.client import Client
from penstock.testing.flow_suite import FlowSuite
from penstock.testing.http_store import HttpStoreServer

ISOLATED = "--executor=isolated"
TARGET = "penstock.testing.http_store:HttpDatastore"


class _OverHttp(FlowSuite):
    @pytest.fixture(autouse=True)
    def server(self, tmp_path: Path) -> Iterator[HttpStoreServer]:
        with HttpStoreServer(folder=str(tmp_path / "objects")) as server:
            self.options = (*type(self).options, f"--datastore={TARGET}", f"--datastore-url={server.url}")
            yield server


class TestTasksHere(_OverHttp):
    """Processes of this machine; catalogue and logs follow the datastore."""

    def test_a_finished_run_is_read_in_few_requests(self, folder: Path, server: HttpStoreServer) -> None:
        run = self.run(folder, "nested")
        client = Client(TARGET, url=server.url)
        before = sum(server.counts.values())
        tasks = [task for step in client.run(run) for task in step]
        assert len(tasks) > 10
        assert {task["word"].data for task in client.run(run)["leaf"]} == {"a", "b", "c"}
        assert sum(server.counts.values()) - before <= 10
        assert client.stores.datastore.exists(keys.index(*run.split("/")))
        assert isinstance(client.stores.metadata, DatastoreCatalogue)
        client.stores.datastore.close()


class TestTasksElsewhere(_OverHttp):
    """The store reached only as a remote would."""

    options = (ISOLATED,)
