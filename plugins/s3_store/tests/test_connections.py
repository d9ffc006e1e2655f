"""The ways to a store: over TLS, by an authority of one's own, and through proxies."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock_s3_store import client
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.proxy import S3Proxy
from plugins.s3_store.tests.servers import S3Server

DATA = os.urandom(300_000)


class ForwardProxy:
    """A proxy as a company has one: whole URLs and CONNECT. authority: `user:password`; heard: what it was asked."""

    def __init__(self, authority: str) -> None:
        self.authority = base64.b64encode(authority.encode()).decode()
        self.heard: list[tuple[str, str]] = []  # method, target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            self._talk(near)

    def _talk(self, near: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = near.recv(65536)
            if not piece:
                return
            head += piece
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.decode().split()
        self.heard.append((method, target))
        if f"proxy-authorization: basic {self.authority}".lower() not in head.decode("latin-1").lower():
            near.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        at = urlsplit(f"//{target}" if method == "CONNECT" else target)
        with socket.create_connection((at.hostname, at.port)) as far:
            if method == "CONNECT":
                near.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            else:
                path = target[target.index("/", 8) :]
                far.sendall(f"{method} {path} {version}\r\nConnection: close\r\n".encode() + rest)
            back = threading.Thread(target=_copy, args=(near, far))
            back.start()
            _copy(far, near)
            back.join()

    def close(self) -> None:
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return tmp_path / "authority.pem"


@pytest.fixture
def secure(ministack: S3Server, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """The server, over TLS."""
    come_in(monkeypatch, ministack)
    monkeypatch.setattr(client, "_FIRST_WAIT_S", 0.001)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with S3Proxy(ministack.endpoint, tls=context) as proxy:
        yield proxy


@pytest.fixture
def forward() -> Iterator[ForwardProxy]:
    proxy = ForwardProxy("me@here:pass word")
    yield proxy
    proxy.close()


def _use(server: S3Server, endpoint: str) -> str:
    """Write, read, and fetch as a bare interpreter does; the bucket."""
    bucket = server.bucket()
    store = S3Datastore(url=f"s3://{bucket}/p", endpoint=endpoint, exclusive=True)
    try:
        assert store.put("a", DATA) is True
        assert store.get("a") == DATA
        source = store.bootstrap() + "import sys; sys.stdout.buffer.write(fetch('a'))"
        assert subprocess.run([sys.executable, "-I", "-c", source], stdout=subprocess.PIPE, check=True).stdout == DATA
    finally:
        store.close()
    return bucket


def test_tls_by_an_authority_of_ones_own(ministack, secure, bundle, tmp_path, monkeypatch) -> None:
    with pytest.raises(BackendMisconfigured, match="nobody known here has signed the certificate") as told:
        _use(ministack, secure.endpoint)
    assert "AWS_CA_BUNDLE" in told.value.hint
    assert secure.count == 0
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    _use(ministack, secure.endpoint)
    assert {one.headers["x-amz-content-sha256"] for one in secure.asked if one.method == "PUT"} == {"UNSIGNED-PAYLOAD"}
    for wrong in (tmp_path / "nowhere.pem", Path(__file__)):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(wrong))
        with pytest.raises(BackendMisconfigured, match="holds no certificates"):
            _use(ministack, secure.endpoint)


def test_the_authority_may_stand_in_aws_s_file(ministack, secure, bundle, tmp_path, monkeypatch) -> None:
    (tmp_path / "config").write_text(f"[default]\nca_bundle={bundle}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    store = S3Datastore(url=f"s3://{ministack.bucket()}", endpoint=secure.endpoint)
    assert store.stat("a") is None
    store.close()


@pytest.mark.parametrize("form", ["http://me%40here:pass%20word@127.0.0.1:{}", "me%40here:pass%20word@127.0.0.1:{}"])
def test_through_a_proxy(ministack, forward, form: str, monkeypatch) -> None:
    come_in(monkeypatch, ministack)
    monkeypatch.setenv("http_proxy", form.format(forward.port))
    bucket = _use(ministack, ministack.endpoint)
    assert ("PUT", f"{ministack.endpoint}/{bucket}/p/a") in forward.heard
    count = len(forward.heard)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    _use(ministack, ministack.endpoint)
    assert len(forward.heard) == count


def test_through_a_tunnel(ministack, secure, forward, bundle, monkeypatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("HTTPS_PROXY", f"http://me%40here:pass%20word@127.0.0.1:{forward.port}")
    _use(ministack, secure.endpoint)
    assert set(forward.heard) == {("CONNECT", secure.endpoint.removeprefix("https://"))}


def test_proxies_that_lead_nowhere(ministack, secure, forward, bundle, monkeypatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("https_proxy", f"http://nobody:x@127.0.0.1:{forward.port}")
    with pytest.raises(BackendUnavailable, match="407 Who are you"):
        _use(ministack, secure.endpoint)
    for wrong in ("socks5://u:secret@127.0.0.1:1", "http://u:secret@:80", "http://u:secret@127.0.0.1:port"):
        monkeypatch.setenv("https_proxy", wrong)
        with pytest.raises(BackendMisconfigured, match="is no proxy that is spoken to over HTTP") as told:
            _use(ministack, secure.endpoint)
        assert "secret" not in str(told.value) + told.value.hint
