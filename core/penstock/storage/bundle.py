"""Bundle: many small byte strings in one object, each reachable by its number.

    item 0 | item 1 | ... | offsets: n + 1 unsigned 64-bit little-endian numbers | n: one more | b"pstkbdl1"

One format for the inputs of a join, the items of a foreach, `taken`, and the index of a finished run.
"""

from __future__ import annotations

import struct
import sys
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAGIC = b"pstkbdl1"
_TAIL = struct.Struct("<Q8s")  # number of items, magic
_OFFSET_BYTES = 8


class BundleWriter:
    """Writes items one by one to `write`, so that a bundle larger than memory can be made.

    write: takes the next bytes; it is called once an item and once for the table.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._offsets = array("Q", [0])

    def add(self, item: bytes) -> None:
        """Append one item."""
        self._write(item)
        self._offsets.append(self._offsets[-1] + len(item))

    def finish(self) -> int:
        """Write the offset table; returns the number of items."""
        if sys.byteorder == "big":
            self._offsets.byteswap()
        count = len(self._offsets) - 1
        self._write(self._offsets.tobytes() + _TAIL.pack(count, MAGIC))
        return count


def encode(items: Iterable[bytes]) -> bytes:
    """A whole bundle in memory."""
    return b"".join(pieces(items))


def pieces(items: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a bundle, an item at a time."""
    made: list[bytes] = []
    writer = BundleWriter(made.append)
    for item in items:
        writer.add(item)
        yield made.pop()
    writer.finish()
    yield made.pop()


def decode(data: bytes) -> Iterator[bytes]:
    """Every item of a whole bundle. Raises ValueError when it is not one or was cut short."""
    reader = BundleReader(len(data), lambda start, length: data[start : start + length])
    for number in range(reader.count):
        yield reader.item(number)


class BundleReader:
    """Reads single items by ranges.

    size: bytes of the whole bundle; read: `(start, length) -> bytes`. Two reads an item, one more to begin.
    Raises ValueError when the bytes are no bundle.
    """

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        if size < _TAIL.size + _OFFSET_BYTES:
            raise ValueError("not a bundle: too short")
        self.count, magic = _TAIL.unpack(read(size - _TAIL.size, _TAIL.size))
        if magic != MAGIC:
            raise ValueError("not a bundle: its last bytes are not the mark")
        self._table = size - _TAIL.size - (self.count + 1) * _OFFSET_BYTES
        if self._table < 0:
            raise ValueError("not a bundle: its table does not fit")

    def item(self, number: int) -> bytes:
        """Item `number`, from 0. Raises IndexError."""
        if not 0 <= number < self.count:
            raise IndexError(f"item {number} of a bundle of {self.count}")
        start, end = struct.unpack("<QQ", self._read(self._table + number * _OFFSET_BYTES, 2 * _OFFSET_BYTES))
        return self._read(start, end - start)
