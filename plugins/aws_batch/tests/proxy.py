"""A proxy between the SDK and the endpoint that does to answers what networks and overloaded services do."""

from __future__ import annotations

import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# What can happen to a request
LOST = "lost"  # it is obeyed, its answer never comes
TWICE = "twice"  # it arrives twice
RESET = "reset"  # it never arrives
BUSY = "busy"  # 503
TORN = "torn"  # the answer breaks off
Fault = Callable[[str, int], "str | None"]  # action (`submitjob`), how often it was asked before -> what happens


class Proxy:
    """A context manager. url: where the SDK is to go. fault: may be changed at any time. counts: requests by action."""

    def __init__(self, target: str, fault: Fault) -> None:
        self.target, self.fault = urlsplit(target).netloc, fault
        self.counts: Counter[str] = Counter()
        self.done: Counter[str] = Counter()  # faults by kind
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.proxy = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self, of_endpoint: dict[str, str]) -> dict[str, str]:
        """The endpoint's variables, by way of here."""
        return {name: self.url if "ENDPOINT" in name else value for name, value in of_endpoint.items()}

    def fate(self, action: str) -> str | None:
        """What happens to this request."""
        with self._lock:
            found = self.fault(action, self.counts[action])
            self.counts[action] += 1
            if found is not None:
                self.done[found] += 1
            return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = proxy.fate(self.path.rpartition("/")[2] or self.headers.get("X-Amz-Target", "").rpartition(".")[2])
        if fate == RESET:
            self._hang_up()
            return
        if fate == BUSY:
            self._answer(503, [("x-amzn-ErrorType", "ServiceUnavailable")], b'{"message": "slow down"}')
            return
        for _ in range(2 if fate == TWICE else 1):
            connection = http.client.HTTPConnection(proxy.target, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
        if fate == LOST:
            self._hang_up()
            return
        kept = [(name, value) for name, value in answer.getheaders() if name.lower().startswith(("content-type", "x-"))]
        self._answer(answer.status, kept, data, len(data) // 2 if fate == TORN else None)

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, break_off: int | None = None) -> None:
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(data)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:break_off])
        if break_off is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
