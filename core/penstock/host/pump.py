"""Output of one attempt: every byte to the driver at once;
short output into the record, long or slow into the log sink."""

from __future__ import annotations

import os
import time

from penstock.contracts.logsink import STDERR, STDOUT, LogStream
from penstock.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from penstock.contracts.logsink import LogSink

IN_RECORD_BYTES = 32 * 1024  # output up to this size rides in the record: a trivial task leaves one file
BEGIN_AFTER_S = 2.0  # a task that still prints is followed live from then on
_FLUSH_BYTES = 1 << 18
_READ_BYTES = 1 << 16


class StreamPump:
    """One stream: reads `fd`, keeps offsets, decides where the bytes go."""

    def __init__(self, fd: int, stream: LogStream, sink: Callable[[], LogSink], show: Callable[[bytes], None]) -> None:
        self.fd, self.stream, self._sink, self._show = fd, stream, sink, show
        self.size = 0  # bytes seen
        self._kept = bytearray()  # not in the sink yet
        self._stored = 0  # bytes in the sink
        self._begun = False
        self._waiting_since = 0.0
        os.set_blocking(fd, False)

    def read(self, *, to_end: bool = False) -> bool:
        """Take in what is there (to_end: until nothing is). False at the end of the stream."""
        while True:
            try:
                piece = os.read(self.fd, _READ_BYTES)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self.take(piece)
            if not to_end and len(piece) < _READ_BYTES:
                return True

    def take(self, piece: bytes) -> None:
        """Take in bytes from elsewhere than the descriptor."""
        self._show(piece)
        if not self._kept:
            self._waiting_since = time.monotonic()
        self._kept += piece
        self.size += len(piece)
        if len(self._kept) > (_FLUSH_BYTES if self._begun else IN_RECORD_BYTES):
            self.flush()

    def due(self, now: float) -> bool:
        """Whether bytes have waited long enough to be shown elsewhere."""
        return bool(self._kept) and now - self._waiting_since >= BEGIN_AFTER_S

    def flush(self) -> bool:
        """Hand everything to the log sink. False when it can't be reached: then the bytes wait for the next time."""
        self._begun = True
        if self._kept:
            self._waiting_since = time.monotonic()
            try:
                self._sink().append(self.stream, self._stored, bytes(self._kept))
            except BackendError:
                return False
            self._stored += len(self._kept)
            self._kept.clear()
        return True

    def fact(self) -> Mapping[str, Any] | None:
        """What the record says of this stream; complete after a `read(to_end=True)`.

        Where the log sink could not be reached to the end, the record has the last bytes: no attempt fails for that.
        """
        if self._begun and self.flush():
            return {"size": self.size}
        if not self.size:
            return None
        return {"size": self.size, "text": self._kept[-IN_RECORD_BYTES:].decode("utf-8", "surrogateescape")}


class Pump:
    """Both streams of one attempt."""

    def __init__(
        self,
        fds: tuple[int, int],
        at: tuple[str, str, str, str, int],
        sink: Callable[[], LogSink],
        show: Callable[[str, bytes], None],
    ) -> None:
        self.out = StreamPump(fds[0], LogStream(*at, STDOUT), sink, lambda piece: show(STDOUT, piece))
        self.err = StreamPump(fds[1], LogStream(*at, STDERR), sink, lambda piece: show(STDERR, piece))

    def drain(self) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        """Everything printed so far, as the record's `stdout` and `stderr`."""
        self.out.read(to_end=True)
        self.err.read(to_end=True)
        return self.out.fact(), self.err.fact()

    def flush_due(self, now: float) -> None:
        """Store what has waited long enough."""
        for stream in (self.out, self.err):
            if stream.due(now):
                stream.flush()

    @property
    def waits(self) -> bool:
        """Whether bytes wait for `flush_due`."""
        return bool(self.out._kept or self.err._kept)

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self.out.fd)
        os.close(self.err.fd)
