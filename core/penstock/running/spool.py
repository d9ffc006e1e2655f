"""Records that a scheduler has read, kept beside it: a join, and the index of the run, need them a second time.

Of a store that is far away, where each is a request, what was read is kept in a file without a name, for 300 bytes of
memory a record. Of a resumed run nothing need be kept: what it took from its origin lies in one object, `taken`.
"""

from __future__ import annotations

from penstock.contracts.reach import Reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import IO

    from penstock.contracts.datastore import Datastore


_AT_ONCE = 256  # records of `taken` in memory
_SPREAD = 4  # times the bytes that are wanted: from there on they are read one by one


class RecordSpool:
    """A copy of what was read; what is not in it is read from the store."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._keeps = datastore.reach is Reach.ANYWHERE
        self._file: IO[bytes] | None = None
        self._places: dict[str, tuple[int, int]] = {}
        self._taken = ""  # key of the bundle
        self._in_taken: dict[str, tuple[int, int]] = {}

    def lay(self, bundle: str, sizes: Iterable[tuple[str, int]]) -> None:
        """Records, key and bytes, that lie behind each other in an object of the store, from its first byte on."""
        self._taken, at = bundle, 0
        for key, size in sizes:
            self._in_taken[key] = (at, size)
            at += size

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
        known = (self._places, self._in_taken)
        others = iter(self._datastore.get_many([key for key in keys if not any(key in places for places in known)]))
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            taken = self._read_taken([key for key in some if key in self._in_taken])
            for key in some:
                if key in taken:
                    yield key, taken[key]
                else:
                    yield (key, self._read(key)) if key in self._places else next(others)

    def _read_taken(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The parents of a join were taken one after another: one read finds many."""
        places = [self._in_taken[key] for key in keys]
        first, end = min(places, default=(0, 0))[0], max((at + size for at, size in places), default=0)
        if end - first > _SPREAD * sum(size for _, size in places):
            return {key: self._datastore.get(self._taken, *self._in_taken[key]) for key in keys}
        raw = self._datastore.get(self._taken, first, end - first) if keys else b""
        return {key: raw[at - first : at - first + size] for key, (at, size) in zip(keys, places, strict=True)}

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
        self._in_taken.clear()
