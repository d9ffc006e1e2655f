"""The output of an attempt: from its record where it is short, else from the log sink."""

from __future__ import annotations

from penstock.contracts.logsink import LogStream
from penstock.storage import keys, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.logsink import LogSink
    from penstock.values import Pathspec, Record


def output_of(sink: LogSink, at: Pathspec, record: Record | None, source: str, start: int = 0) -> Iterator[bytes]:
    """The bytes of one stream from byte `start`, in pieces. record: of the attempt, None while it runs;
    then `at` names it."""
    kept = None if record is None else getattr(record, source)
    if kept is not None and "text" in kept:
        whole = kept["text"].encode("utf-8", "surrogateescape")
        if start < len(whole):
            yield whole[start:]
    elif record is None or kept is not None or record.writer != "worker":
        yield from sink.read(_stream(at, record, source), start)


def output_size(sink: LogSink, at: Pathspec, record: Record | None, source: str) -> int:
    """Bytes of one stream; of one that still grows, those that are there."""
    kept = None if record is None else getattr(record, source)
    return int(kept["size"]) if kept is not None else sum(map(len, output_of(sink, at, record, source)))


def _stream(at: Pathspec, record: Record | None, source: str) -> LogStream:
    """Where it was written: what was taken over from another run stayed there."""
    if record is not None:
        at = keys.record_of(records.key_of(record)) or record.pathspec
    return LogStream(at.flow, at.run or "", at.step or "", at.place or "", at.attempt or 0, source)
