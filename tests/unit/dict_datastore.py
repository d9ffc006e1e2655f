"""A datastore in memory, over the four abstract methods alone: what is true on it is true without any local file."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, BinaryIO

from penstock.contracts.datastore import Datastore, Stat
from penstock.contracts.reach import Reach
from penstock.errors import KeyMissing

if TYPE_CHECKING:
    from penstock.contracts.datastore import Bytes


class DictDatastore(Datastore):
    """objects: key -> bytes; ages_s: key -> seconds since it was written, 0 unless a test says more; calls: a log."""

    reach = Reach.PROCESS

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.ages_s: dict[str, float] = {}
        self.calls: list[tuple[str, str]] = []

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        self.calls.append(("put", key))
        if key in self.objects and not replace:
            return False
        self.objects[key] = bytes(data)
        self.ages_s[key] = 0.0
        return True

    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        self.calls.append(("open", key))
        if key not in self.objects:
            raise KeyMissing(key)
        data = self.objects[key]
        return io.BytesIO(data[start:] if length is None else data[start : start + length])

    def list(self, prefix: str) -> Iterator[Stat]:
        for key, data in list(self.objects.items()):
            if key.startswith(prefix):
                yield Stat(key, len(data), self.ages_s[key])

    def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    def count(self, call: str) -> int:
        """How often a method was called."""
        return sum(made == call for made, _ in self.calls)
