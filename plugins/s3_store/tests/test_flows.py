"""Real flows, whole, with their data in a bucket: tasks on this machine, and elsewhere without boto3."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import pytest

from penstock.testing.flow_suite import FlowSuite
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.servers import S3Server


class _OnS3(FlowSuite):
    def start(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        come_in(monkeypatch, server)
        self.server = server
        self.url = f"s3://{server.bucket()}/{secrets.token_hex(4)}"
        self.options = (*type(self).options, f"--datastore={self.url}", f"--s3-endpoint={server.endpoint}")

    def flow(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = super().flow(*arguments, expect=expect)
        assert self.server.secret.encode() not in done.stdout + done.stderr
        return done

    @pytest.fixture(autouse=True)
    def nothing_secret_was_written(self, folder: Path, server_of_the_test: None) -> object:
        yield
        store = S3Datastore(url=self.url, endpoint=self.server.endpoint)
        shown = [key for key, data in store.get_many(one.key for one in store.list("")) if self._is_secret(data)]
        store.close()
        assert shown == []
        assert not any((folder / ".penstock").iterdir()), "the local store was used"

    def _is_secret(self, data: bytes | None) -> bool:
        return data is not None and self.server.secret.encode() in data


class TestTasksHere(_OnS3):
    @pytest.fixture(autouse=True)
    def server_of_the_test(self, ministack: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start(ministack, monkeypatch)


class TestTasksElsewhere(_OnS3):
    """Their interpreter has no package at all, and a clock that is an hour off."""

    options = ("--executor=isolated",)

    @pytest.fixture(autouse=True)
    def server_of_the_test(self, seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start(seaweedfs, monkeypatch)
