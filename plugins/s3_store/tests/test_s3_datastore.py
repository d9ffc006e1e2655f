"""The datastore suite on servers of different make."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from penstock.testing import DatastoreSuite
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.servers import S3Server


class _Suite(DatastoreSuite):
    clock_step_s = 1.0  # dates of HTTP

    def start(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        come_in(monkeypatch, server)
        self.server = server
        self.secrets = (server.secret, server.key)

    def make(self, tmp_path: Path) -> S3Datastore:
        cls = type(self)
        bucket = cls.__dict__.get("bucket") or self.server.bucket()
        cls.bucket = bucket
        return S3Datastore(url=f"s3://{bucket}/{secrets.token_hex(4)}/ünï code", endpoint=self.server.endpoint)


class TestOnMinistack(_Suite):
    @pytest.fixture(autouse=True)
    def server_of_the_test(self, ministack: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start(ministack, monkeypatch)


class TestOnSeaweedFS(_Suite):
    test_list_folders_forgets_an_emptied_folder = None  # it does so by itself, a while later

    @pytest.fixture(autouse=True)
    def server_of_the_test(self, seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start(seaweedfs, monkeypatch)
