"""The datastore suite on servers of different make, and how objects are encrypted."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from penstock.testing import DatastoreSuite
from penstock_s3_store import s3_datastore
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.proxy import S3Proxy
from plugins.s3_store.tests.servers import S3Server
from tests.services.proxy import Asked


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


KMS = "arn:aws:kms:us-east-1:000000000000:key/k"
ENCRYPTIONS = {
    "AES256": {"x-amz-server-side-encryption": "AES256"},
    "aws:kms": {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": KMS},
}


@pytest.mark.parametrize("kind", ENCRYPTIONS)
def test_whatever_is_written_is_encrypted_as_asked(
    ministack: S3Server, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request that makes an object says so, and parts of one do not; each request says who pays."""
    come_in(monkeypatch, ministack)
    monkeypatch.setattr(s3_datastore, "MULTIPART_BYTES", 1 << 20)
    key = KMS if kind == "aws:kms" else None
    with S3Proxy(ministack.endpoint) as proxy:
        store = S3Datastore(
            url=f"s3://{ministack.bucket()}/p", endpoint=proxy.endpoint, sse=kind, kms_key=key, requester_pays=True
        )
        assert store.exclusive_put
        store.put("a", b"x")
        store.put("parts", b"x" * (6 << 20))
        store.touch("a")
        assert store.get("parts") == b"x" * (6 << 20)
        store.delete(["a"])
        store.close()
    assert all(one.headers["x-amz-request-payer"] == "requester" for one in proxy.asked)
    said = {name: [one.headers[name] for one in proxy.asked if _makes(one)] for name in ENCRYPTIONS["aws:kms"]}
    assert all(found == [ENCRYPTIONS[kind].get(name)] * len(found) for name, found in said.items())
    others = [one for one in proxy.asked if not _makes(one)]
    assert not any("x-amz-server-side-encryption" in one.headers for one in others)
    assert len([one for one in others if "partNumber=" in one.path]) > 0


def _makes(asked: Asked) -> bool:
    """Whether a request makes an object, or begins one in parts."""
    return asked.path.endswith("?uploads=") or (asked.method == "PUT" and "?" not in asked.path)
