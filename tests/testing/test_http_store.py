"""The datastore over HTTP."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock.options import options_of
from penstock.registry import Registry
from penstock.testing import DatastoreSuite, HttpDatastore, HttpStoreServer, MemoryDatastore
from penstock.testing.flow_suite import FLOWS
from penstock.testing.http_store import TOKEN_VARIABLE


class TestHttpDatastore(DatastoreSuite):
    @pytest.fixture(autouse=True)
    def server(self) -> Iterator[None]:
        with HttpStoreServer() as server:
            self.url = server.url
            yield

    def make(self, tmp_path: Path) -> HttpDatastore:
        return HttpDatastore(url=self.url)


class TestHttpDatastoreWithAToken(DatastoreSuite):
    secrets = ("hunter2",)

    @pytest.fixture(autouse=True)
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv(TOKEN_VARIABLE, "hunter2")
        with HttpStoreServer(token="hunter2") as server:
            self.url = server.url
            yield

    def make(self, tmp_path: Path) -> HttpDatastore:
        return HttpDatastore(url=self.url)

    def test_nobody_else_comes_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = self.make(tmp_path)
        for token in ("", "hunter3"):
            monkeypatch.setenv(TOKEN_VARIABLE, token)
            with pytest.raises(BackendMisconfigured, match="another token"):
                store.put("a", b"x")
        store.close()


class TestMemoryDatastore(DatastoreSuite):
    def make(self, tmp_path: Path) -> MemoryDatastore:
        return MemoryDatastore()


# --------------------------------------------------------------------------------- what only this store has


@pytest.fixture
def server() -> Iterator[HttpStoreServer]:
    with HttpStoreServer() as server:
        yield server


@pytest.fixture
def store(server: HttpStoreServer) -> Iterator[HttpDatastore]:
    store = HttpDatastore(url=server.url)
    yield store
    store.close()


def test_requests_are_counted_by_kind(server: HttpStoreServer, store: HttpDatastore) -> None:
    store.put("a/b", b"x")
    store.put("a/b", b"x")
    store.get("a/b")
    store.get("a/b", 0, 0)
    store.touch("a/b")
    list(store.list(""))
    list(store.list_folders(""))
    store.delete(["a/b", "a/c"])
    expected = {"put": 2, "get": 1, "stat": 1, "touch": 1, "list": 1, "folders": 1, "delete": 1}
    assert dict(server.counts) == expected
    with urlopen(f"{server.url}/counts") as answer:
        assert json.load(answer) == expected


def test_a_server_that_is_gone_is_unavailable_and_back_it_serves_again(tmp_path: Path) -> None:
    with HttpStoreServer(folder=str(tmp_path / "objects")) as first:
        store = HttpDatastore(url=first.url)
        store.put("a/b", b"kept")
        port = int(first.url.rpartition(":")[2])
    for ask in (lambda: store.get("a/b"), lambda: store.put("a/c", b"x"), lambda: list(store.list(""))):
        with pytest.raises(BackendUnavailable, match=f"127.0.0.1:{port} does not answer"):
            ask()
    with HttpStoreServer(folder=str(tmp_path / "objects"), port=port):
        assert store.get("a/b") == b"kept"
        assert store.put("a/c", b"x") is True
    store.close()


def test_an_object_that_breaks_off_on_its_way_is_none(server: HttpStoreServer, store: HttpDatastore) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        client.sendall(b"PUT /o/a/half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"y" * 500)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert list(store.list("")) == []


def test_what_the_store_behind_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with HttpStoreServer(folder=str(tmp_path / "file" / "store")) as server:
        store = HttpDatastore(url=server.url)
        with pytest.raises(BackendUnavailable, match="a file stands where"):
            store.put("a", b"x")
        with pytest.raises(ValueError, match="is not a key"):
            store.put("../a", b"x")
        store.close()


@pytest.mark.parametrize("url", ["", "s3://bucket", "http://", "https://host", "http://user:word@host:1"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(BackendMisconfigured, match="is no URL of an HTTP store"):
        HttpDatastore(url=url)


def test_the_server_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "penstock.testing.http_store", f"--folder={tmp_path / 'objects'}", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        store = HttpDatastore(url=process.stdout.readline().strip())
        assert store.put("a/b", b"x") is True
        assert (tmp_path / "objects" / "a" / "b").read_bytes() == b"x"
        store.close()
        process.terminate()


def test_a_class_named_by_its_target_has_its_arguments_as_options() -> None:
    registry = Registry(environ={})
    name = "penstock.testing.http_store:HttpDatastore"
    (url,) = options_of(registry.choose("datastore", name))
    assert (url.name, url.flag, url.required) == ("url", "--http-datastore-url", True)
    of_metadata = options_of(registry.choose("metadata", "penstock_local.sqlite_metadata:SqliteMetadata"))
    assert [one.name for one in of_metadata] == ["path"]
    of_executor = options_of(registry.choose("executor", "penstock.testing.isolated_executor:IsolatedExecutor"))
    assert "run" not in [one.name for one in of_executor]


def test_its_options_go_by_the_name_of_the_kind_too(tmp_path: Path, server: HttpStoreServer) -> None:
    shutil.copy(FLOWS / "linear.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "run", "linear.py", f"--datastore={HttpDatastore.__module__}:HttpDatastore",
         f"--datastore-url={server.url}"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert server.counts["put"] > 4
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["linear.py"]
