"""A proxy between a client and a service, which counts requests and does to them what networks and services do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from ssl import SSLContext
    from typing import Any

# What can happen to a request
RESET = "reset"  # it never arrives
LOST = "lost"  # it is obeyed, its answer never comes
TWICE = "twice"  # it arrives twice
CUT = "cut"  # the answer breaks off
TRICKLE = "trickle"  # the answer comes a byte at a time
OTHER_BYTES = "other-bytes"  # the answer is not what was sent
_TRICKLE_S = 0.1  # for each byte


class Asked(NamedTuple):
    """A request. kind: what the service takes it for; number: of all, from 1; before: of its kind, from 0."""

    method: str
    path: str
    kind: str
    number: int
    before: int
    headers: Mapping[str, str]


class Told(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Proxy:
    """A context manager. choose: what happens to a request, "" for nothing; it may be changed at any time. tls: how the
    proxy proves who it is, where it speaks TLS.

    seen: requests by kind; faults: what was done to them; asked: all of them. A service has faults of its own: those
    that `answer` gives.
    """

    def __init__(
        self, upstream: str, choose: Callable[[Asked], str] = lambda _: "", tls: SSLContext | None = None
    ) -> None:
        self.upstream, self.choose = urlsplit(upstream), choose
        self.seen: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        if tls is not None:  # hands are shaken by the thread of each connection
            wrapped = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
            self._server.socket = wrapped
        self.endpoint = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="proxy", daemon=True)

    def kind(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """What the service takes a request for."""
        return method

    def answer(self, fault: str, headers: Mapping[str, str], told: Callable[[], Told]) -> Told | None:
        """The service's own answer in such a fault; `told` asks the service. None where there is no such fault."""
        return None

    def fault_of(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """Count a request, and say what shall happen to it."""
        with self._lock:
            kind = self.kind(method, path, headers)
            asked = Asked(method, path, kind, len(self.asked) + 1, self.seen[kind], headers)
            self.asked.append(asked)
            self.seen[kind] += 1
            fault = self.choose(asked)
            self.faults[fault] += bool(fault)
            return fault

    @property
    def count(self) -> int:
        """How many requests there were."""
        return len(self.asked)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: Proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        headers: Message = self.headers
        fault = self.server.proxy.fault_of(self.command, self.path, headers)  # type: ignore[arg-type]
        if fault == RESET:
            self._break()
            return
        own = self.server.proxy.answer(fault, headers, lambda: self._ask(body)) if fault else None  # type: ignore[arg-type]
        if own is not None:
            self._send(own)
            return
        told = self._ask(body)
        if fault == TWICE:
            told = self._ask(body)
        if fault == LOST:
            self._break()
        elif fault == OTHER_BYTES and told.body:
            self._send(told._replace(body=bytes([told.body[0] ^ 1]) + told.body[1:]))
        else:
            self._send(told, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815  the names are http.server's

    def _ask(self, body: bytes) -> Told:
        at = self.server.proxy.upstream
        connection = HTTPConnection(at.hostname or "", at.port, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return Told(answer.status, dict(answer.getheaders()), data)

    def _send(self, told: Told, fault: str = "") -> None:
        self.send_response_only(told.status)
        for name, value in told.headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "keep-alive"):
                self.send_header(name, value)
        size = told.headers.get("Content-Length", told.headers.get("content-length", "0"))
        if told.status != 204:
            self.send_header("Content-Length", size if self.command == "HEAD" else str(len(told.body)))
        self.end_headers()
        if self.command == "HEAD":
            self.wfile.flush()
        elif fault == CUT:
            self.wfile.write(told.body[: len(told.body) // 2])
            self.wfile.flush()
            self._break()
        elif fault == TRICKLE:
            for at in range(len(told.body)):
                self.wfile.write(told.body[at : at + 1])
                self.wfile.flush()
                time.sleep(_TRICKLE_S)
        else:
            self.wfile.write(told.body)
            self.wfile.flush()

    def _break(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
