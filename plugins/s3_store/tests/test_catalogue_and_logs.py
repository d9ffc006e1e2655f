"""Core's catalogue and log sink, on a bucket alone."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from penstock.storage.catalogue import DatastoreCatalogue
from penstock.storage.logs import DatastoreLogSink
from penstock.testing import LogSinkSuite, MetadataSuite
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.servers import S3Server

SHARED: dict[str, str] = {}


def bucket_of(server: S3Server) -> S3Datastore:
    """A new store. SeaweedFS has room for few buckets, ministack lists slowly where there is much in one."""
    bucket = SHARED.get(server.name) or server.bucket()
    if server.name == "seaweedfs":
        SHARED[server.name] = bucket
    return S3Datastore(url=f"s3://{bucket}/{secrets.token_hex(6)}", endpoint=server.endpoint)


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    found: S3Server = request.getfixturevalue(request.cls.server_name)
    come_in(monkeypatch, found)
    return found


@pytest.mark.usefixtures("server")
class _Catalogue(MetadataSuite):
    keeps_rows = False

    @pytest.fixture(autouse=True)
    def server_of_the_test(self, server: S3Server) -> None:
        self.server, self.secrets = server, (server.secret,)

    def make(self, tmp_path: Path) -> DatastoreCatalogue:
        return DatastoreCatalogue(bucket_of(self.server))


class TestCatalogueOnMinistack(_Catalogue):
    server_name = "ministack"


class TestCatalogueOnSeaweedFS(_Catalogue):
    server_name = "seaweedfs"


@pytest.mark.usefixtures("server")
class _Logs(LogSinkSuite):
    @pytest.fixture(autouse=True)
    def server_of_the_test(self, server: S3Server) -> None:
        self.server, self.secrets = server, (server.secret,)

    def make(self, tmp_path: Path) -> DatastoreLogSink:
        return DatastoreLogSink(bucket_of(self.server))


class TestLogsOnMinistack(_Logs):
    server_name = "ministack"


class TestLogsOnSeaweedFS(_Logs):
    server_name = "seaweedfs"
