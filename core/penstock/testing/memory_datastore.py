"""A datastore in the memory of one process."""

from __future__ import annotations

import io
import threading
import time

from penstock.contracts.datastore import Datastore, Stat
from penstock.contracts.reach import Reach
from penstock.errors import KeyMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import BinaryIO

    from penstock.contracts.datastore import Bytes


class MemoryDatastore(Datastore):
    """Four methods over a dict, and a lock."""

    reach = Reach.PROCESS

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        """Under the lock."""
        copy = bytes(data)
        with self._lock:
            if key in self._objects and not replace:
                return False
            self._objects[key] = copy, time.monotonic()
        return True

    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """A view of the bytes."""
        try:
            data = self._objects[key][0]
        except KeyError:
            raise KeyMissing(key) from None
        return io.BytesIO(data[start:] if length is None else data[start : start + length])

    def list(self, prefix: str) -> Iterator[Stat]:
        """Those that were there when it was called."""
        with self._lock:
            found = [(key, len(data), put_s) for key, (data, put_s) in self._objects.items() if key.startswith(prefix)]
        now_s = time.monotonic()
        return iter([Stat(key, size, max(0.0, now_s - put_s)) for key, size, put_s in found])

    def delete(self, keys: Collection[str]) -> None:
        """Under the lock."""
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)
