"""Real flows on a datastore of another make: no files, another host as far as anybody can tell."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.client import Client
from penstock.storage import keys
from penstock.storage.catalogue import DatastoreCatalogue
from penstock.testing.flow_suite import FlowSuite
from penstock.testing.http_store import TOKEN_VARIABLE, HttpStoreServer

ISOLATED = "--executor=isolated"
TARGET = "penstock.testing.http_store:HttpDatastore"


class _OverHttp(FlowSuite):
    """With a credential, which no run may write down or show."""

    @pytest.fixture(autouse=True)
    def server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpStoreServer]:
        token = secrets.token_hex(16)
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        with HttpStoreServer(folder=str(tmp_path / "objects"), token=token) as server:
            self.options = (*type(self).options, f"--datastore={TARGET}", f"--datastore-url={server.url}")
            yield server
            shown = [one.key for one in server.store.list("") if token.encode() in server.store.get(one.key)]
            assert shown == []

    def flow(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = super().flow(*arguments, expect=expect)
        assert os.environ[TOKEN_VARIABLE].encode() not in done.stdout + done.stderr
        return done


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
