"""The attached streams of a container as one stream: what is sent is its input, what comes its output."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct

from penstock.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_HEAD = struct.Struct(">BxxxI")  # stream and size. Source: Docker Engine API, ContainerAttach, stream format
_STDIN, _STDOUT, _STDERR = range(3)
_PIECE = 1 << 16
_TAIL = 4096
_GIVE_S = 30.0
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Attached:
    """attached: what the SDK's `attach_socket` gave. tail: the last that the container wrote to its error stream."""

    def __init__(self, attached: Any) -> None:
        self._attached = attached  # it keeps the connection open
        self._raw: socket.socket = getattr(attached, "_sock", attached)
        self._buffer = bytearray()
        self._left, self._of = 0, _STDOUT  # of the piece that is being read: bytes, and which stream
        self.tail = b""

    def give(self, variables: Mapping[str, str]) -> None:
        """One JSON object as a line, as the container's first program reads it. Waits until it is sent."""
        self._raw.settimeout(_GIVE_S)
        self._raw.sendall(json.dumps(dict(variables)).encode("ascii") + b"\n")

    def setblocking(self, flag: bool) -> None:
        """Of both directions."""
        self._raw.setblocking(flag)

    def fileno(self) -> int:
        """To wait for what comes."""
        return self._raw.fileno()

    def send(self, data: bytes | memoryview) -> int:
        """As a socket's."""
        try:
            return self._raw.send(data)
        except _NOT_NOW as error:
            raise BlockingIOError from error

    def recv(self, size: int) -> bytes:
        """Output only; raises BlockingIOError when none has come."""
        found = bytearray()
        ended = False
        try:
            while True:
                piece = self._raw.recv(_PIECE)
                ended = not piece
                self._buffer += piece
                if ended or not (isinstance(self._raw, ssl.SSLSocket) and self._raw.pending()):
                    break  # what a TLS connection has decoded already, nobody would call for
        except _NOT_NOW:
            pass
        except ConnectionError:
            ended = True
        while self._buffer and len(found) < size:
            if not self._left and not self._begin_piece():
                break
            taken = bytes(self._buffer[: self._left])
            del self._buffer[: len(taken)]
            self._left -= len(taken)
            if self._of == _STDOUT:
                found += taken
            else:
                self.tail = (self.tail + taken)[-_TAIL:]
        if not found and not ended:
            raise BlockingIOError
        return bytes(found)

    def _begin_piece(self) -> bool:
        """Read the head of the next piece; False when it is not whole yet."""
        if len(self._buffer) < _HEAD.size:
            return False
        self._of, self._left = _HEAD.unpack_from(self._buffer)
        if self._of not in (_STDIN, _STDOUT, _STDERR):
            raise BackendError(f"the engine's stream has no such piece: {bytes(self._buffer[: _HEAD.size])!r}")
        del self._buffer[: _HEAD.size]
        return True

    def close(self) -> None:
        """The container's input ends: its host goes. May be called twice."""
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)
        self._raw.close()
        self._attached.close()
