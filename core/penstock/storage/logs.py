"""The log sink that lives in any datastore: each appended piece is one object, its name ends in the offset."""

from __future__ import annotations

from penstock.contracts.logsink import LogSink
from penstock.errors import KeyMissing
from penstock.storage import keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.logsink import LogStream

_PIECE_BYTES = 1 << 20


class DatastoreLogSink(LogSink):
    """Objects under `logs/STEP/PLACE/ATTEMPT.SOURCE.OFFSET` of the run."""

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        """One exclusive put: the second of the same offset finds the first and changes nothing."""
        if chunk:
            self.datastore.put(keys.log(*_names(stream), offset), chunk)

    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        """One listing, then the pieces that reach beyond `start`, in order."""
        prefix = keys.log_prefix(*_names(stream))
        pieces = sorted((int(one.key.rpartition(".")[2]), one.size) for one in self.datastore.list(prefix))
        for offset, size in pieces:
            if offset > start:
                return  # a gap: what follows it can't be placed
            while start < offset + size:
                key = keys.log(*_names(stream), offset)
                found = self.datastore.get(key, start - offset, _PIECE_BYTES)
                if not found:
                    return  # cut short; `start` is the present end
                yield found
                start += len(found)

    def piece_at(self, stream: LogStream, offset: int) -> bytes:
        """One get: a piece is named after the offset where the one before it ended."""
        try:
            return self.datastore.get(keys.log(*_names(stream), offset))
        except KeyMissing:
            return b""


def _names(stream: LogStream) -> tuple[str, str, str, str, int, str]:
    return stream.flow, stream.run, stream.step, stream.place, stream.attempt, stream.source
