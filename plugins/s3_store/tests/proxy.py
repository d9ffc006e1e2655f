"""A proxy between a client and a server, which counts requests and does to them what networks and stores do."""

from __future__ import annotations

import calendar
import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FAULTS = ("slow-down", "reset", "lost", "late-error", "cut", "trickle", "other-bytes", "expired")
_ALLOWED_SKEW_S = 900
_SAYS = "<Error><Code>{}</Code><Message>as planned</Message></Error>"


class Proxy:
    """A context manager. choose: method, path and number of a request -> one of `FAULTS`, or "" for none.

    seen: requests by method; faults: what was done to them. Requests are told by what S3 takes them for: `LIST`.
    """

    def __init__(self, endpoint: str, choose: Callable[[str, str, int], str] = lambda *_: "") -> None:
        self.upstream = urlsplit(endpoint)
        self.choose = choose
        self.seen: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.paths: list[str] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fault_of(self, method: str, path: str) -> str:
        """Count a request, and say what shall happen to it."""
        with self._lock:
            self.seen["LIST" if "list-type=2" in path else method] += 1
            self.paths.append(f"{method} {path}")
            fault = self.choose(method, path, len(self.paths))
            self.faults[fault] += bool(fault)
            return fault

    @property
    def count(self) -> int:
        """How many requests there were."""
        return self.seen.total()

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
        fault = self.server.proxy.fault_of(self.command, self.path)
        if fault == "reset":
            self._break()
            return
        if fault == "right-time" and abs(_moment(self.headers["x-amz-date"]) - time.time()) > _ALLOWED_SKEW_S:
            self._send(403, {"Date": self.date_time_string()}, _SAYS.format("RequestTimeTooSkewed").encode())
            return
        if fault in ("slow-down", "expired"):
            status, code = (503, "SlowDown") if fault == "slow-down" else (403, "ExpiredToken")
            self._send(status, {}, _SAYS.format(code).encode())
            return
        status, headers, data = self._ask(body)
        if fault == "lost":
            self._break()
        elif fault == "late-error":
            self._send(500, {}, _SAYS.format("InternalError").encode())
        elif fault == "other-bytes" and data:
            self._send(status, headers, bytes([data[0] ^ 1]) + data[1:])
        else:
            self._send(status, headers, data, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815  the names are http.server's

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        at = self.server.proxy.upstream
        connection = HTTPConnection(at.hostname or "", at.port, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), data

    def _send(self, status: int, headers: dict[str, str], data: bytes, fault: str = "") -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "keep-alive"):
                self.send_header(name, value)
        told = headers.get("Content-Length", headers.get("content-length", "0"))
        size = told if self.command == "HEAD" else str(len(data))
        if status != 204:
            self.send_header("Content-Length", size)
        self.end_headers()
        if self.command == "HEAD":
            self.wfile.flush()
        elif fault == "cut":
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self._break()
        elif fault == "trickle":
            for at in range(len(data)):
                self.wfile.write(data[at : at + 1])
                self.wfile.flush()
                time.sleep(0.1)
        else:
            self.wfile.write(data)
            self.wfile.flush()

    def _break(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _moment(text: str) -> float:
    return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
