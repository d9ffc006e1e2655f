"""Frames between a driver and a host over any two-way byte stream: a header as JSON, and raw bytes behind it.

    4 bytes length of the header | 4 bytes length of the payload | header | payload          (big-endian)

To the host:    open     store, logging, run and facts: what an attempt needs beside its own message; with it travels
                         the descriptor of the run's lock, so that host and attempts hold it together with the driver
                run      name, message, fresh: begin an attempt
                kill     name: end it with its process group
                stop     end when idle
From the host:  declared what the flow file declares (`declare.py`)
                refused  error, message, hint, where: the flow file can't be used
                serving  mode (`fork` or `exec`), reason
                started  name, pid
                output   name, stream; the payload is what was printed
                ended    name, exit_code; reason, where no process could be started
End of file means to the host: end every attempt with its process group, and exit.
"""

from __future__ import annotations

import json
import os
import select
import struct
from _socket import CMSG_LEN, SCM_RIGHTS, SOL_SOCKET, socket  # see `process.py`: the module `socket` takes long

from penstock.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from penstock.contracts.host import ByteStream

    Frame = tuple[dict[str, Any], bytes]

_HEAD = struct.Struct(">II")
_INT = struct.Struct("i")
_DESCRIPTORS = 4  # with one frame
_PIECE = 1 << 18
_SHOWN = 80  # bytes of what is no frame
_LONGEST = 1 << 26  # of a header, or of a payload; more is text of somebody else, read as a number


class Link:
    """One end of the stream. Frames that arrive while a send has to wait are kept,
    so that two ends never block each other.

    descriptors: those that the other end has sent, in order.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.descriptors: list[int] = []
        stream.setblocking(False)
        self._buffer = bytearray()
        self._frames: list[Frame] = []
        self.closed = False

    def fileno(self) -> int:
        """For `select`."""
        return self.stream.fileno()

    def send(self, header: dict[str, Any], payload: bytes = b"", descriptors: Sequence[int] = ()) -> bool:
        """Send one frame, and descriptors with it. False when the other end is gone."""
        head = json.dumps(header, separators=(",", ":")).encode("ascii")
        data = memoryview(_HEAD.pack(len(head), len(payload)) + head + payload)
        while data:
            try:
                if descriptors and isinstance(self.stream, socket):
                    packed = struct.pack(f"{len(descriptors)}i", *descriptors)
                    sent = self.stream.sendmsg([data], [(SOL_SOCKET, SCM_RIGHTS, packed)])
                    descriptors = ()
                else:
                    sent = self.stream.send(data)
                data = data[sent:]
            except BlockingIOError:
                self._wait_to_send()
            except OSError:
                self.closed = True
                return False
        return True

    def _wait_to_send(self) -> None:
        wanted = {} if self.closed else {self.fileno(): select.POLLIN}
        writes = self.stream.write_fileno() if isinstance(self.stream, Pipes) else self.fileno()
        wanted[writes] = wanted.get(writes, 0) | select.POLLOUT
        poll = select.poll()
        for fd, events in wanted.items():
            poll.register(fd, events)
        for _, event in poll.poll():
            if event & select.POLLIN:
                self._fill()

    def _fill(self) -> bool:
        """Take in what has arrived; False when nothing was there."""
        try:
            if isinstance(self.stream, socket):
                piece, beside, _, _ = self.stream.recvmsg(_PIECE, CMSG_LEN(_DESCRIPTORS * _INT.size))
                for level, kind, packed in beside:
                    if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                        whole = len(packed) // _INT.size * _INT.size  # what was cut off has no number
                        self.descriptors += [number for (number,) in _INT.iter_unpack(packed[:whole])]
            else:
                piece = self.stream.recv(_PIECE)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        if not piece:
            self.closed = True
            return False
        self._buffer += piece
        self._cut()
        return True

    def _cut(self) -> None:
        start = 0
        while len(self._buffer) - start >= _HEAD.size:
            head, tail = _HEAD.unpack_from(self._buffer, start)
            if head > _LONGEST or tail > _LONGEST:
                self._refuse(bytes(self._buffer[start : start + _SHOWN]))
            end = start + _HEAD.size + head + tail
            if len(self._buffer) < end:
                break
            middle = start + _HEAD.size + head
            try:
                header = json.loads(bytes(self._buffer[start + _HEAD.size : middle]))
            except ValueError:
                header = None
            if not isinstance(header, dict):
                self._refuse(bytes(self._buffer[start : start + _SHOWN]))
            self._frames.append((header, bytes(self._buffer[middle:end])))
            start = end
        if start:
            del self._buffer[:start]

    def _refuse(self, bytes_: bytes) -> NoReturn:
        """Something else than the other end writes there too: nothing that follows can be understood."""
        self.closed = True
        raise BackendError(f"bytes that are no frame: {bytes_!r}")

    @property
    def has_frames(self) -> bool:
        """Whether `receive` has something to return without reading."""
        return bool(self._frames)

    def receive(self) -> list[Frame]:
        """Every frame that is here now, without waiting. `closed` tells that no more will come.

        Raises BackendError for bytes that are no frame."""
        while not self.closed and self._fill():
            if len(self._buffer) + sum(len(payload) for _, payload in self._frames) > 4 * _PIECE:
                break
        frames, self._frames = self._frames, []
        return frames

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until `receive` has something to say."""
        if self._frames or self.closed:
            return True
        poll = select.poll()
        poll.register(self.stream, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self.stream.close()


class Pipes:
    """Two descriptors, one to read and one to write, as one stream: the standard streams of a container."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write

    def setblocking(self, flag: bool) -> None:
        """Of both."""
        os.set_blocking(self._read, flag)
        os.set_blocking(self._write, flag)

    def fileno(self) -> int:
        """To wait for what arrives."""
        return self._read

    def write_fileno(self) -> int:
        """To wait until more can be sent."""
        return self._write

    def recv(self, size: int) -> bytes:
        """As a socket's."""
        return os.read(self._read, size)

    def send(self, data: bytes | memoryview) -> int:
        """As a socket's."""
        return os.write(self._write, data)

    def close(self) -> None:
        """Both."""
        os.close(self._read)
        os.close(self._write)
