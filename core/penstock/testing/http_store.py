"""A datastore over HTTP, and its server: objects that no file system shows, as a remote store has them.

    python -m penstock.testing.http_store --folder=FOLDER --port=0        prints the URL, serves until it is ended
    flow run FILE --datastore=penstock.testing.http_store:HttpDatastore --datastore-url=URL

    PUT /o/KEY           201; with `If-None-Match: *` 412 where the object exists
    GET, HEAD /o/KEY     200, with `Range` 206 or 416; 404; `X-Age-S` is the object's age in seconds
    POST /touch/KEY      204, 404
    POST /delete         204; the body is a JSON list of keys
    GET /list            ?prefix=&after= -> {"objects": [[key, size, age in seconds], ...], "more": true}, sorted by key
    GET /folders         ?prefix= -> ["part", ...]
    GET /counts          {"put": 3, ...}: how many requests of each kind there were, this one apart

For tests: it binds to this machine alone. A server that was made with a token wants `Authorization: Bearer TOKEN`, else
401; the client and its jobs have it from the variable PENSTOCK_TESTING_TOKEN.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import socket
import sys
import threading
from collections import Counter, deque
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

from penstock import contracts
from penstock.contracts.datastore import Datastore, Stat
from penstock.contracts.reach import Reach
from penstock.errors import BackendError, BackendMisconfigured, BackendUnavailable, KeyMissing
from penstock.testing.memory_datastore import MemoryDatastore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from http.client import HTTPResponse
    from typing import Any, BinaryIO

    from penstock.contracts.datastore import Bytes

_PAGE = 1000  # objects in one answer to a listing, and keys in one request to delete; S3's numbers
_ANSWER_S = 60.0
TOKEN_VARIABLE = "PENSTOCK_TESTING_TOKEN"
_IN_FOLDER = "penstock_local.file_datastore:FileDatastore"


class HttpDatastore(Datastore):
    """Objects of an `HttpStoreServer`. url: `http://HOST:PORT`.

    Its credential, where the server wants one, is the variable PENSTOCK_TESTING_TOKEN. Idle connections are kept for
    the next call of any thread; a process that was forked makes its own.
    """

    reach = Reach.ANYWHERE
    exclusive_put = True
    compresses_from = 1.2

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.username is not None:
            raise BackendMisconfigured(
                f"{url!r} is no URL of an HTTP store", hint="--datastore-url=http://127.0.0.1:PORT"
            )
        self._host, self._port = parts.hostname, parts.port or 80
        self._url = f"http://{parts.netloc}"
        self._idle: deque[HTTPConnection] = deque()  # its methods are atomic: no lock that a fork could inherit locked
        self._owner = os.getpid()

    # -- requests

    def _ask(
        self, method: str, path: str, body: Bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[HTTPResponse, bytes]:
        """One request; returns the answer and its body. Raises BackendUnavailable; whoever called may ask again."""
        connection = self._connection()
        try:
            connection.request(method, path, body, {**self._authorization(), **(headers or {})})
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise BackendUnavailable(f"{self._url} does not answer: {error or type(error).__name__}") from error
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if answer.status >= 500:
            raise BackendUnavailable(f"{self._url}: {data.decode('utf-8', 'replace')}")
        if answer.status == 400:
            raise ValueError(data.decode("utf-8", "replace"))
        if answer.status == 401:
            raise BackendMisconfigured(f"{self._url} wants another token", hint=f"export {TOKEN_VARIABLE}=...")
        return answer, data

    def _authorization(self) -> dict[str, str]:
        token = self.secrets().get(TOKEN_VARIABLE)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _connection(self) -> HTTPConnection:
        if self._owner != os.getpid():
            inherited, self._idle, self._owner = self._idle, deque(), os.getpid()
            for one in inherited:
                one.close()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return HTTPConnection(self._host, self._port, timeout=_ANSWER_S)
            if _is_open(connection):
                return connection
            connection.close()

    # -- the four

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        """One PUT."""
        body = data if isinstance(data, bytes) else bytes(data)
        answer, _ = self._ask("PUT", _object(key), body, {} if replace else {"If-None-Match": "*"})
        return answer.status == 201

    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """The whole range, fetched."""
        return io.BytesIO(self.get(key, start, length))

    def list(self, prefix: str) -> Iterator[Stat]:
        """One GET a page."""
        after = ""
        while True:
            _, data = self._ask("GET", f"/list?prefix={quote(prefix)}&after={quote(after)}")
            page = json.loads(data)
            for key, size, age_s in page["objects"]:
                yield Stat(key, size, age_s)
            if not page["more"]:
                return
            after = page["objects"][-1][0]

    def delete(self, keys: Collection[str]) -> None:
        """One POST for a thousand keys."""
        left = list(keys)
        while left:
            self._ask("POST", "/delete", json.dumps(left[:_PAGE]).encode("ascii"))
            del left[:_PAGE]

    # -- faster than the defaults

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """One GET; a HEAD where no byte is asked for."""
        if length is not None and length <= 0:
            if self.stat(key) is None:
                raise KeyMissing(key)
            return b""
        whole = not start and length is None
        end = "" if length is None else start + length - 1
        answer, data = self._ask("GET", _object(key), None, {} if whole else {"Range": f"bytes={start}-{end}"})
        if answer.status == 404:
            raise KeyMissing(key)
        return b"" if answer.status == 416 else data

    def stat(self, key: str) -> Stat | None:
        """One HEAD."""
        answer, _ = self._ask("HEAD", _object(key))
        if answer.status == 404:
            return None
        return Stat(key, int(answer.headers["Content-Length"]), float(answer.headers["X-Age-S"]))

    def touch(self, key: str) -> None:
        """One POST."""
        if self._ask("POST", f"/touch/{quote(key)}")[0].status == 404:
            raise KeyMissing(key)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """One GET."""
        yield from json.loads(self._ask("GET", f"/folders?prefix={quote(prefix)}")[1])

    # -- what it says of itself

    @property
    def label(self) -> str:
        """The URL."""
        return self._url

    def options(self) -> dict[str, Any]:
        """The URL."""
        return {"url": self._url}

    def secrets(self) -> dict[str, str]:
        """The token, where there is one."""
        token = os.environ.get(TOKEN_VARIABLE)
        return {TOKEN_VARIABLE: token} if token else {}

    def bootstrap(self) -> str:
        """One GET; no proxy stands between a machine and itself."""
        return (
            "import os, urllib.request as _request\n"
            "_opener = _request.build_opener(_request.ProxyHandler({}))\n"
            f"_opener.addheaders = [('Authorization', 'Bearer ' + os.environ.get({TOKEN_VARIABLE!r}, ''))]\n"
            "def fetch(key):\n"
            f"    with _opener.open({self._url + '/o/'!r} + key) as answer:\n"
            "        return answer.read()\n"
        )

    def close(self) -> None:
        """Close idle connections."""
        while self._idle:
            self._idle.pop().close()


def _object(key: str) -> str:
    return f"/o/{quote(key)}"


def _is_open(connection: HTTPConnection) -> bool:
    """Whether the other end of an idle connection still holds it: one that has something to say says good-bye."""
    poll = select.poll()
    if connection.sock is None:
        return False
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


# ------------------------------------------------------------------------------------------------- server


class HttpStoreServer:
    """Serves a datastore on this machine; a context manager, within which a thread answers.

    folder: keep the objects there, as the local datastore does; without one they live in the server's memory.
    port: 0 takes a free one. token: what clients must know. counts: how many requests of each kind there were.
    """

    def __init__(self, folder: str | None = None, port: int = 0, token: str = "") -> None:
        self.token = token
        self.store: Datastore = MemoryDatastore() if folder is None else contracts.open(_IN_FOLDER, {"root": folder})
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def count(self, kind: str) -> None:
        """Note a request: `put`, `get`, `stat`, `touch`, `delete`, `list` or `folders`."""
        with self._lock:
            self.counts[kind] += 1

    def serve(self) -> None:
        """Answer until `close`."""
        self._server.serve_forever(poll_interval=0.02)

    def __enter__(self) -> HttpStoreServer:
        self._thread = threading.Thread(target=self.serve, name="http-store", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering, also on connections that stand. May be called twice."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self.store.close()

    def _keep(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def _drop(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # `server_close` waits for those that answer
    request_queue_size = 128  # clients that may connect at one moment: a whole foreach
    owner: HttpStoreServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of an answer leave together
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner._keep(self.request)

    def finish(self) -> None:
        self.server.owner._drop(self.request)
        with contextlib.suppress(OSError):  # the client is gone
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    # -- answers

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._stat)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, work: Callable[[str, str], None]) -> None:
        """Do the work; what the store refuses becomes a status."""
        kind, _, rest = self.path.removeprefix("/").partition("/")
        token = self.server.owner.token
        if token and self.headers["Authorization"] != f"Bearer {token}":
            self._body()
            self._send(401)
            return
        try:
            work(kind, unquote(rest))
        except KeyMissing as error:
            self._send(404, str(error))
        except ValueError as error:
            self._send(400, str(error))
        except BackendError as error:
            self._send(507 if isinstance(error, BackendMisconfigured) else 503, str(error))

    def _put(self, kind: str, key: str) -> None:
        self.server.owner.count("put")
        data = self._body()
        if kind != "o":
            raise ValueError(f"{self.path} is no object")
        wrote = self.server.owner.store.put(key, data, replace=self.headers["If-None-Match"] != "*")
        self._send(201 if wrote else 412)

    def _get(self, kind: str, key: str) -> None:
        store = self.server.owner.store
        if kind == "counts":
            self._send_json(dict(self.server.owner.counts))
        elif kind == "o":
            self.server.owner.count("get")
            self._get_object(key)
        else:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            prefix = asked.get("prefix", "")
            if urlsplit(self.path).path == "/folders":
                self.server.owner.count("folders")
                self._send_json(sorted(store.list_folders(prefix)))
            else:
                self.server.owner.count("list")
                self._send_page(prefix, asked.get("after", ""))

    def _get_object(self, key: str) -> None:
        data = self.server.owner.store.get(key)
        asked = self.headers["Range"]
        if asked is None:
            self._send(200, data)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if int(first) >= len(data):
            self._send(416)
        else:
            self._send(206, data[int(first) : int(last) + 1 if last else None])

    def _send_page(self, prefix: str, after: str) -> None:
        found = [one for one in self.server.owner.store.list(prefix) if one.key > after]
        rows = sorted([one.key, one.size, one.age_s] for one in found)[:_PAGE]
        self._send_json({"objects": rows, "more": len(found) > _PAGE})

    def _stat(self, _: str, key: str) -> None:
        self.server.owner.count("stat")
        found = self.server.owner.store.stat(key)
        if found is None:
            raise KeyMissing(key)
        self.send_response(200)
        self.send_header("Content-Length", str(found.size))
        self.send_header("X-Age-S", str(found.age_s))
        self.end_headers()

    def _post(self, kind: str, key: str) -> None:
        body = self._body()
        self.server.owner.count(kind)
        if kind == "touch":
            self.server.owner.store.touch(key)
        elif kind == "delete":
            self.server.owner.store.delete(json.loads(body))
        else:
            raise ValueError(f"nothing to do at {self.path}")
        self._send(204)

    def _body(self) -> bytes:
        """What came with the request. Raises ConnectionError when it broke off: half an object is none."""
        size = int(self.headers["Content-Length"] or 0)
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("the client broke off")
        return data

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode("ascii"))

    def _send(self, status: int, body: bytes | str = b"") -> None:
        data = body.encode("utf-8", "replace") if isinstance(body, str) else body
        self.send_response(status)
        if status != 204:  # which has no body, by definition
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()


def main(arguments: list[str]) -> None:
    """Serve until a signal ends the process."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m penstock.testing.http_store")
    parser.add_argument("--folder", help="Keep the objects here; without it they are gone with the server.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one.")
    asked = parser.parse_args(arguments)
    server = HttpStoreServer(asked.folder, asked.port)
    print(server.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
