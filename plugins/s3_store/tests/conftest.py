"""The servers of the session; each test gets a bucket, or a prefix of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugins.s3_store.tests import servers
from plugins.s3_store.tests.servers import S3Server
from tests.engine.fixtures import engine, image  # noqa: F401

pytest.register_assert_rewrite("penstock.testing")


def pytest_configure(config: pytest.Config) -> None:
    from tests import skips

    skips.watch(config)


@contextmanager
def _running(start: object, folder: Path) -> Iterator[S3Server]:
    server = start(folder)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with _running(servers.ministack, tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with _running(servers.seaweedfs, tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with _running(servers.rclone, tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(autouse=True)
def no_other_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests is nobody, and has no copies of anything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def come_in(monkeypatch: pytest.MonkeyPatch, server: S3Server) -> None:
    """Have the server's credentials in this process's variables."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
