"""Records that a scheduler has read, kept beside it: a join, and the index of the run, need them a second time.

Only of a store that is far away, where each is a request; they lie in a file without a name, for 300 bytes of memory a
record.
"""

from __future__ import annotations

from penstock.contracts.reach import Reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO

    from penstock.contracts.datastore import Datastore


class RecordSpool:
    """A copy of what was read; what is not in it is read from the store."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._keeps = datastore.reach is Reach.ANYWHERE
        self._file: IO[bytes] | None = None
        self._places: dict[str, tuple[int, int]] = {}

    def keep(self, key: str, raw: bytes) -> None:
        """Remember a record, byte for byte; where the disk is full it is read again instead."""
        if not self._keeps or key in self._places:
            return
        try:
            if self._file is None:
                import tempfile

                self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with the spool
            start = self._file.seek(0, 2)
            self._file.write(raw)
        except OSError:
            self._keeps = False
            return
        self._places[key] = (start, len(raw))

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """As the store's: each key with its bytes, in the order asked, None for one that is missing."""
        others = iter(self._datastore.get_many([key for key in keys if key not in self._places]))
        for key in keys:
            yield (key, self._read(key)) if key in self._places else next(others)

    def _read(self, key: str) -> bytes:
        assert self._file is not None
        start, size = self._places[key]
        self._file.seek(start)
        return self._file.read(size)

    def close(self) -> None:
        """The file is gone with it. May be called twice."""
        if self._file is not None:
            self._file.close()
        self._file, self._keeps = None, False
        self._places.clear()
