"""Log sinks that break one promise each. Not collected by itself: `test_logsink_suite.py` runs it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.contracts.logsink import LogStream
from penstock.testing import LogSinkSuite
from penstock_local.file_datastore import FileDatastore
from penstock_local.file_logsink import FileLogSink
from tests.testing.planted import Fault

if TYPE_CHECKING:
    from penstock.contracts.datastore import Datastore

PAUSE_S = 0.002


class Whole(FileLogSink):
    """Not broken."""


class AppendsAlways(FileLogSink):
    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        path = self._path(stream)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(chunk)


class RemembersInThisProcess(FileLogSink):
    """Knows an offset again only where it was this instance that kept it."""

    def __init__(self, datastore: Datastore, root: str | None = None) -> None:
        super().__init__(datastore, root)
        self._ends: dict[str, int] = {}

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        path = self._path(stream)
        known = self._ends.get(str(path), 0)
        if offset < known:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(chunk)
        self._ends[str(path)] = offset + len(chunk)


class CutsBehind(FileLogSink):
    """The end of what was appended last is the end of all."""

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        super().append(stream, offset, chunk)
        os.truncate(self._path(stream), offset + len(chunk))


class KeepsText(FileLogSink):
    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        super().append(stream, offset, chunk.decode("utf-8", "replace").encode("latin-1", "replace"))


class UnixLineEnds(FileLogSink):
    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        for piece in super().read(stream, start):
            yield piece.replace(b"\r\n", b"\n") if len(piece) < 100_000 else piece


class InsistsOnABeginning(FileLogSink):
    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        if not self._path(stream).exists():
            raise FileNotFoundError(self._path(stream))
        return super().read(stream, start)


class BeginsAtTheBeginning(FileLogSink):
    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        found = b"".join(super().read(stream))
        if len(found) > start:
            yield found


class BeginsWithAPiece(FileLogSink):
    """At the first 100 bytes that begin at or behind `start`."""

    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        return super().read(stream, start + -start % 100 if start > 4000 else start)


class NothingIsAByte(FileLogSink):
    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        super().append(stream, offset, chunk or b"\0")


class YieldsNothing(FileLogSink):
    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        yield from super().read(stream, start)
        if self._path(stream).exists() and self._path(stream).stat().st_size == 0:
            yield b""


class SortsByDigits(FileLogSink):
    """A file a piece, read in the order of their names, which have three digits of a kilobyte."""

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        if chunk:
            path = self._path(stream)
            path.mkdir(parents=True, exist_ok=True)
            part = path / f"+{offset}"
            part.write_bytes(chunk)
            part.replace(path / f"{offset:04d}")

    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        path, at = self._path(stream), 0
        for name in sorted(name for name in os.listdir(path) if "+" not in name) if path.exists() else ():
            data = (path / name).read_bytes()
            if at + len(data) > start:
                yield data[max(0, start - at) :]
            at += len(data)


class ShortPieces(FileLogSink):
    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        super().append(stream, offset, chunk[: 1 << 20])


class OneNumberForAll(FileLogSink):
    def _path(self, stream: LogStream) -> Path:
        attempt = min(stream.attempt, 1)
        return super()._path(LogStream(stream.flow, stream.run, stream.step, stream.place, attempt, stream.source))


class PrefixOfAPlace(FileLogSink):
    def _path(self, stream: LogStream) -> Path:
        place = stream.place.partition("~")[0]
        return super()._path(LogStream(stream.flow, stream.run, stream.step, place, stream.attempt, stream.source))


class OneFileForBoth(FileLogSink):
    def _path(self, stream: LogStream) -> Path:
        source = "stdout" if stream.attempt > 1 else stream.source
        return super()._path(LogStream(stream.flow, stream.run, stream.step, stream.place, stream.attempt, source))


class LetsWaitingBytesBeSeen(FileLogSink):
    """Makes room first."""

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        super().append(stream, offset, bytes(len(chunk)))
        if len(chunk) <= 40:
            time.sleep(PAUSE_S)
        super().append(stream, offset, chunk)


class KeepsTheLastBack(FileLogSink):
    """Hands over when the next one comes, or when it is asked itself."""

    def __init__(self, datastore: Datastore, root: str | None = None) -> None:
        super().__init__(datastore, root)
        self._waiting: dict[str, tuple[LogStream, int, bytes]] = {}
        self._lock = threading.Lock()

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        with self._lock:
            self._flush(stream)
            self._waiting[repr(stream)] = (stream, offset, chunk)

    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        with self._lock:
            self._flush(stream)
        return super().read(stream, start)

    def _flush(self, stream: LogStream) -> None:
        if repr(stream) in self._waiting:
            super().append(*self._waiting.pop(repr(stream)))


class OfOneThread(FileLogSink):
    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        self._stream = stream
        if b" of " in chunk and len(chunk) < 20:
            time.sleep(PAUSE_S)
        super().append(self._stream, offset, chunk)


class FollowsWholeLines(FileLogSink):
    """A line that has not ended is not shown to who follows."""

    def piece_at(self, stream: LogStream, offset: int) -> bytes:
        found = super().piece_at(stream, offset)
        return found[: found.rfind(b"\n") + 1]


class OptionsOfAnother(FileLogSink):
    def options(self) -> dict[str, Any]:
        return {"root": self._given or f"{self.datastore.local_path('other')}"}


class OptionsTell(FileLogSink):
    def __init__(self, datastore: Datastore, root: str | None = None, password: str = "hunter2") -> None:
        super().__init__(datastore, root)
        self._password = password

    def options(self) -> dict[str, Any]:
        return {**super().options(), "password": self._password}


class ClosesOnce(FileLogSink):
    _closed = False

    def close(self) -> None:
        assert not self._closed, "closed already"
        self._closed = True


_ELSEWHERE = "test_the_same_offset_again_from_another_process_has_no_effect"

FAULTS = [
    Fault(Whole, ""),
    Fault(AppendsAlways, f"test_the_same_offset_again_has_no_effect {_ELSEWHERE}"),
    Fault(RemembersInThisProcess, _ELSEWHERE),
    Fault(CutsBehind, "test_the_same_offset_again_has_no_effect"),
    Fault(
        KeepsText,
        "test_every_byte_is_kept test_a_large_piece test_read_begins_anywhere",
    ),
    Fault(UnixLineEnds, "test_every_byte_is_kept"),
    Fault(
        InsistsOnABeginning,
        "test_a_stream_that_never_began_is_empty test_pieces_are_followed_as_they_come",
        "test_output_is_read_while_it_is_written",
    ),
    Fault(
        BeginsAtTheBeginning,
        "test_read_begins_anywhere test_pieces_are_followed_as_they_come "
        "test_what_append_returned_from_is_read_elsewhere test_a_large_piece",
        "test_output_is_read_while_it_is_written",
    ),
    Fault(BeginsWithAPiece, "test_read_begins_anywhere", "test_output_is_read_while_it_is_written"),
    Fault(NothingIsAByte, "test_nothing_appended_is_nothing"),
    Fault(YieldsNothing, "test_nothing_appended_is_nothing", "test_output_is_read_while_it_is_written"),
    Fault(SortsByDigits, "test_long_output_keeps_its_order"),
    Fault(ShortPieces, "test_a_large_piece"),
    Fault(OneNumberForAll, "test_streams_are_apart"),
    Fault(PrefixOfAPlace, "test_streams_are_apart"),
    Fault(OneFileForBoth, "test_streams_are_apart"),
    Fault(LetsWaitingBytesBeSeen, "test_output_is_read_while_it_is_written"),
    Fault(
        KeepsTheLastBack,
        "test_what_append_returned_from_is_read_elsewhere test_its_options_open_the_same_sink "
        "test_closing_twice_closes_only_this_one",
    ),
    Fault(OfOneThread, "test_threads_share_a_sink"),
    Fault(
        OptionsOfAnother,
        f"test_its_options_open_the_same_sink test_what_append_returned_from_is_read_elsewhere {_ELSEWHERE} "
        "test_closing_twice_closes_only_this_one",
    ),
    Fault(FollowsWholeLines, "test_pieces_are_followed_as_they_come"),
    Fault(OptionsTell, "test_what_is_written_down_holds_no_secret"),
    Fault(ClosesOnce, "test_closing_twice_closes_only_this_one"),
]


class Planted(LogSinkSuite):
    backend: type[FileLogSink]
    secrets = ("hunter2",)

    def make(self, tmp_path: Path) -> FileLogSink:
        return self.backend(FileDatastore(root=str(tmp_path / "store")))


for _fault in FAULTS:
    globals()[f"Test{_fault.name}"] = type(f"Test{_fault.name}", (Planted,), {"backend": _fault.backend})
