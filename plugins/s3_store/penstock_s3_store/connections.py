"""HTTP connections to a store: kept for the next call of any thread, made anew by a process that was forked.

A call waits `ANSWER_S` for the next byte, and gives up an answer that trickles: a connection that is alive and useless
is the one fault that a time-out alone does not see.
"""

from __future__ import annotations

import base64
import io
import os
import select
import time
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import unquote, urlsplit

from penstock.errors import BackendMisconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping
    from typing import Any, BinaryIO
    from urllib.parse import SplitResult

    from penstock.contracts.datastore import Bytes

CONNECT_S = 10.0
ANSWER_S = 60.0
SLOWEST_BYTES_S = 2000  # slower than this over a whole window, and another connection is tried
WINDOW_S = 15.0
_SLOWEST_SENDING_BYTES_S = 50_000  # `sendall` has one time-out for all


class NoAnswer(Exception):
    """The other end did not answer, or broke off. began: it may have got the request, and done what it asks."""

    def __init__(self, reason: str, *, began: bool) -> None:
        super().__init__(reason)
        self.began = began


class _Link:
    """A connection. base: `scheme://host:port` of the store.

    proxy: headers for a proxy that gets the whole URL of each request; None where the store itself is asked, be it
    through a tunnel.
    """

    __slots__ = ("base", "connection", "proxy")

    def __init__(self, base: str, connection: HTTPConnection, proxy: Mapping[str, str] | None) -> None:
        self.base, self.connection, self.proxy = base, connection, proxy


class Answer:
    """Status and headers of an answer. Its body is read once; what is not read to the end costs the connection."""

    def __init__(self, pool: Connections, link: _Link, response: HTTPResponse) -> None:
        self._pool, self._link, self._response = pool, link, response
        self.status = response.status
        self.headers = response.headers
        length = response.headers["Content-Length"]
        self.length = int(length) if length is not None else None
        if response.isclosed():  # without a body
            pool.keep(link)

    def read(self) -> bytes:
        """The whole body. Raises NoAnswer when it breaks off."""
        if self._response.isclosed():
            return b""
        try:
            data = self._response.read()
        except (OSError, HTTPException, ValueError) as error:
            raise self._broken(error) from error
        self._pool.keep(self._link)
        return data

    def read_into(self, target: memoryview) -> int:
        """Fill the beginning of `target`; 0 at the end. Raises NoAnswer when the body breaks off."""
        if self._response.isclosed():
            return 0
        left = self._response.length
        try:
            count = self._response.readinto(target)
        except (OSError, HTTPException, ValueError) as error:
            raise self._broken(error) from error
        if left and not count and len(target):
            raise self._broken(EOFError("the body is cut short"))
        if self._response.isclosed():
            self._pool.keep(self._link)
        return count

    def _broken(self, error: Exception) -> NoAnswer:
        self._response.close()
        self._link.connection.close()
        return NoAnswer(f"its answer broke off: {error or type(error).__name__}", began=True)

    def close(self) -> None:
        """Give up what was not read."""
        if not self._response.isclosed():
            self._response.close()
            self._link.connection.close()


class Connections:
    """A pool. `exchange` may be called from many threads. authorities: file of those who sign certificates."""

    def __init__(self, authorities: Callable[[], str | None] = lambda: None) -> None:
        self._authorities = authorities
        self._idle: deque[_Link] = deque()  # its methods are atomic: no lock that a fork could inherit locked
        self._owner = os.getpid()
        self._tls: ssl.SSLContext | None = None

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: Bytes | None = None) -> Answer:
        """Send a request and wait for the head of its answer. Raises NoAnswer, BackendMisconfigured."""
        parts = urlsplit(url)
        link = self._take(f"{parts.scheme}://{parts.netloc}")
        connection, began = link.connection, False
        try:
            if connection.sock is None:
                connection.connect()
            size = 0 if body is None else memoryview(body).nbytes
            connection.sock.settimeout(ANSWER_S + size / _SLOWEST_SENDING_BYTES_S)
            began = True
            target = url[len(link.base) :] if link.proxy is None else url
            connection.request(method, target, body, {**headers, **(link.proxy or {})})
            response = connection.getresponse()
        except (OSError, HTTPException) as error:
            connection.close()
            if "WRONG_VERSION_NUMBER" in str(error):
                raise BackendMisconfigured(
                    f"{link.base} does not speak TLS", hint=f"--s3-endpoint={link.base.replace('https:', 'http:')}"
                ) from error
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise BackendMisconfigured(
                    f"nobody known here has signed the certificate of {link.base}: {error}",
                    hint="export AWS_CA_BUNDLE=FILE   # of the authority that signs for it, PEM",
                ) from error
            raise NoAnswer(str(error) or type(error).__name__, began=began) from error
        except BaseException:
            connection.close()
            raise
        return Answer(self, link, response)

    def keep(self, link: _Link) -> None:
        """Take back a connection whose answer was read to its end."""
        if link.connection.sock is not None:
            self._idle.append(link)

    def _take(self, base: str) -> _Link:
        if self._owner != os.getpid():
            inherited, self._idle, self._owner = self._idle, deque(), os.getpid()
            for one in inherited:
                one.connection.close()
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return self._new(base)
            if link.base == base and _is_open(link.connection):
                return link
            link.connection.close()

    def _new(self, base: str) -> _Link:
        parts = urlsplit(base)
        proxy = _proxy(parts.scheme, parts.netloc)
        host, port = (parts.hostname, parts.port) if proxy is None else (proxy.hostname, proxy.port or 80)
        connection: HTTPConnection
        if parts.scheme == "https":
            connection = HTTPSConnection(host or "", port, timeout=CONNECT_S, context=self._context())
            if proxy is not None:
                connection.set_tunnel(parts.hostname or "", parts.port or 443, _proxy_headers(proxy))
        else:
            connection = HTTPConnection(host or "", port, timeout=CONNECT_S)
        connection.response_class = _paced_response  # type: ignore[assignment]
        return _Link(base, connection, None if proxy is None or parts.scheme == "https" else _proxy_headers(proxy))

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            import ssl

            file = self._authorities()
            try:
                self._tls = ssl.create_default_context(cafile=file)
            except OSError as error:  # SSLError is one
                raise BackendMisconfigured(
                    f"{file} holds no certificates: {error.strerror or error}",
                    hint="export AWS_CA_BUNDLE=FILE   # PEM; or `ca_bundle` in ~/.aws/config",
                ) from error
        return self._tls

    def close(self) -> None:
        """Close idle connections."""
        while self._idle:
            self._idle.pop().connection.close()


def _proxy(scheme: str, host: str) -> SplitResult | None:
    """The proxy that the variables of the system name, with `http://` or without. Raises BackendMisconfigured."""
    if not any(name.lower() == f"{scheme}_proxy" for name in os.environ):
        return None
    import urllib.request

    named = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)
    if not named:
        return None
    found = urlsplit(named if "://" in named else f"http://{named}")
    try:
        fine = found.scheme == "http" and found.hostname and (found.port is None or found.port > 0)
    except ValueError:  # the port is no number
        fine = False
    if not fine:
        shown = f"{found.scheme}://{found.netloc.rpartition('@')[2]}"  # without the password
        raise BackendMisconfigured(
            f"{scheme}_proxy: {shown} is no proxy that is spoken to over HTTP",
            hint=f"export {scheme}_proxy=http://HOST:PORT   # or: export no_proxy={urlsplit(f'//{host}').hostname}",
        )
    return found


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    word = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(word.encode()).decode("ascii")}


def _is_open(connection: HTTPConnection) -> bool:
    """Whether the other end of an idle connection still holds it: one that has something to say says good-bye."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


# ------------------------------------------------------------------------------------------------- pace


class _Paced(io.RawIOBase):
    """The bytes of a socket, as long as they come at some pace. Only waiting counts, and not for the first of them."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._began = False
        self._waited_s, self._count = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int | None:
        since = time.monotonic()
        count: int | None = self._raw.readinto(target)
        if self._began:
            self._waited_s += time.monotonic() - since
            self._count += count or 0
        self._began = True
        if self._waited_s > WINDOW_S:
            if self._count < SLOWEST_BYTES_S * self._waited_s:
                raise TimeoutError(f"fewer than {SLOWEST_BYTES_S} bytes a second came")
            self._waited_s, self._count = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedSocket:
    """What a response asks of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> BinaryIO:
        return io.BufferedReader(_Paced(self._sock.makefile(mode, buffering=0)), 64 * 1024)  # type: ignore[call-overload]


def _paced_response(sock: socket.socket, *args: Any, **words: Any) -> HTTPResponse:
    return HTTPResponse(_PacedSocket(sock), *args, **words)  # type: ignore[arg-type]
