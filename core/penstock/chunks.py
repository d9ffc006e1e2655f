"""Bytes as chunks: cut at fixed offsets, named by their content, stored once, checked when they are read.

    PART = {"size": n, "inline": base64}                 up to 1 KiB, within the budget of the attempt
         | {"size": n, "chunks": ["SHA256.codec", ...]}  4 MiB each, the last one shorter
         | {"size": n, "list": "SHA256.codec"}           more than 100 chunks: the list is a chunk itself
"""

from __future__ import annotations

import binascii
import hashlib
import json
import mmap

from penstock import compression, keys, mapping
from penstock.errors import ChunkDamaged, KeyMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from penstock.contracts.datastore import Bytes, Datastore

    Part = Mapping[str, Any]

CHUNK_BYTES = 4 << 20  # the unit of sharing: one changed element costs one chunk
LONGEST_LIST = 100  # chunks named in the record itself
TOUCH_AFTER_S = 24 * 3600.0  # a chunk that is used again is made young, so that gc (from two days on) leaves it
_THREADS = 2


class ChunkStore:
    """Writes and reads parts in one datastore. verify: check the hash of mapped chunks too."""

    def __init__(self, datastore: Datastore, *, verify: bool = False) -> None:
        self.datastore, self.verify = datastore, verify

    # -- writing

    def write(self, data: Bytes) -> dict[str, Any]:
        """Store bytes as chunks; returns the part."""
        writer = self.writer()
        writer.write(data)
        return writer.finish()

    def writer(self, *, compress: bool = True) -> PartWriter:
        """A file-like object that chunks what is written to it, without holding more than a few chunks."""
        return PartWriter(self, compress=compress)

    def put(self, data: Bytes, *, compress: bool = True) -> str:
        """Store one chunk, or keep the one that is there; returns `SHA256.codec`."""
        digest = hashlib.sha256(data).hexdigest()
        codec = compression.choose(data, self.datastore.compresses_from) if compress else compression.RAW
        name = f"{digest}.{codec}"
        key = keys.chunk(name)
        standing = self.datastore.stat(key)
        if standing is None:
            self.datastore.put(key, compression.compress(codec, data))
        elif standing.age_s > TOUCH_AFTER_S:
            try:
                self.datastore.touch(key)
            except KeyMissing:  # gc took it between the two calls
                self.datastore.put(key, compression.compress(codec, data))
        return name

    # -- reading

    def names(self, part: Part) -> list[str]:
        """The chunks of a part, in order."""
        if "list" in part:
            listed: list[str] = json.loads(bytes(self.fetch(part["list"], None)))
            return listed
        return list(part["chunks"])

    def read(self, part: Part) -> Bytes:
        """All bytes of a part, verified. Raises ChunkDamaged, NotReadable."""
        if "inline" in part:
            return binascii.a2b_base64(part["inline"])
        names = self.names(part)
        if len(names) == 1:
            return self.fetch(names[0], part["size"])
        target = memoryview(memory(part["size"]))
        self.read_into(part, target, names)
        return target

    def read_into(self, part: Part, target: memoryview, names: list[str] | None = None) -> None:
        """All bytes of a part, verified, into writable memory of exactly its size."""
        if "inline" in part:
            target[:] = binascii.a2b_base64(part["inline"])
            return
        work = [
            (name, target[start : start + CHUNK_BYTES])
            for name, start in zip(names or self.names(part), range(0, part["size"], CHUNK_BYTES), strict=True)
        ]
        in_parallel(self.fetch_into, work)

    def reader(self, part: Part) -> PartReader:
        """A file-like object over a part of several chunks, for an unpickler."""
        return PartReader(self, part)

    def read_range(self, part: Part, start: int, length: int) -> bytes:
        """Some bytes of a part. Ranges of raw chunks are read alone, and then not verified."""
        if "inline" in part:
            return binascii.a2b_base64(part["inline"])[start : start + length]
        names = self.names(part)
        pieces = []
        while length > 0:
            number, inside = divmod(start, CHUNK_BYTES)
            taken = min(length, CHUNK_BYTES - inside)
            name = names[number]
            if name.endswith(compression.RAW):
                try:
                    piece = self.datastore.get(keys.chunk(name), inside, taken)
                except KeyMissing as error:
                    raise _missing(name) from error
            else:
                size = min(CHUNK_BYTES, part["size"] - number * CHUNK_BYTES)
                piece = bytes(self.fetch(name, size)[inside : inside + taken])
            if len(piece) < taken:
                raise ChunkDamaged(f"the chunk {keys.chunk(name)} is cut short")
            pieces.append(piece)
            start, length = start + taken, length - taken
        return b"".join(pieces)

    def map(self, part: Part) -> memoryview | None:
        """The bytes of a part as private writable memory that is read when touched; None where that can't be had."""
        if not mapping.AVAILABLE or "inline" in part or self.datastore.local_path(keys.FORMAT) is None:
            return None
        names = self.names(part)
        if not names or not all(name.endswith(compression.RAW) for name in names):
            return None
        files = []
        for number, name in enumerate(names):
            path = self.datastore.local_path(keys.chunk(name))
            if path is None:
                return None
            files.append((str(path), min(CHUNK_BYTES, part["size"] - number * CHUNK_BYTES)))
        view = memoryview(mapping.map_files(files))
        if self.verify:
            for number, name in enumerate(names):
                _verify(name, view[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])
        return view

    def fetch(self, name: str, size: int | None) -> Bytes:
        """One chunk, verified. size: bytes of the original, None for a list chunk, which says its own."""
        codec = name.rpartition(".")[2]
        try:
            stored = self.datastore.get(keys.chunk(name))
        except KeyMissing as error:
            raise _missing(name) from error
        if size is None and codec == compression.RAW:
            size = len(stored)
        try:
            data = compression.expand(codec, stored, size if size is not None else 64 << 20)
        except ChunkDamaged as error:
            raise ChunkDamaged(f"the chunk {keys.chunk(name)} is damaged: {error}") from error
        _verify(name, data)
        return data

    def fetch_into(self, name: str, target: memoryview) -> None:
        """One whole chunk, verified, into memory of its size."""
        if name.endswith(compression.RAW):
            try:
                with self.datastore.open(keys.chunk(name)) as stream:
                    if _fill(stream, target) and not stream.read(1):
                        _verify(name, target)
                        return
            except KeyMissing as error:
                raise _missing(name) from error
            raise ChunkDamaged(f"the chunk {keys.chunk(name)} does not have {len(target)} bytes")
        target[:] = self.fetch(name, len(target))


def memory(size: int) -> Any:
    """Fresh writable memory; large blocks come from the kernel and go back to it."""
    return mmap.mmap(-1, size) if size >= CHUNK_BYTES else bytearray(size)


def _fill(stream: Any, target: memoryview) -> bool:
    done = 0
    while done < len(target):
        count = stream.readinto(target[done:])
        if not count:
            return False
        done += count
    return True


def _verify(name: str, data: Bytes) -> None:
    if hashlib.sha256(data).hexdigest() != name.partition(".")[0]:
        raise ChunkDamaged(f"the chunk {keys.chunk(name)} is damaged: its bytes do not have the hash of its name")


def _missing(name: str) -> ChunkDamaged:
    return ChunkDamaged(f"the chunk {keys.chunk(name)} is missing")


class PartReader:
    """Reads a part from its first byte to its last. Whole chunks go straight into the memory that `readinto` is given."""

    def __init__(self, store: ChunkStore, part: Part) -> None:
        self._store, self._size, self._names = store, part["size"], store.names(part)
        self._at = 0
        self._number = -1  # of the chunk that is held
        self._held: Bytes = b""

    def _chunk(self, number: int) -> memoryview:
        if number != self._number:
            size = min(CHUNK_BYTES, self._size - number * CHUNK_BYTES)
            self._held, self._number = self._store.fetch(self._names[number], size), number
        return memoryview(self._held)

    def readinto(self, target: Any) -> int:
        """Fill `target` as far as the part goes; returns how many bytes were filled."""
        view = memoryview(target).cast("B")[: self._size - self._at]
        filled = len(view)
        while view:
            number, inside = divmod(self._at, CHUNK_BYTES)
            whole = 0 if inside else len(view) // CHUNK_BYTES
            if whole:
                starts = range(0, whole * CHUNK_BYTES, CHUNK_BYTES)
                work = [(self._names[number + n], view[start : start + CHUNK_BYTES]) for n, start in enumerate(starts)]
                in_parallel(self._store.fetch_into, work)
                taken = whole * CHUNK_BYTES
            else:
                piece = self._chunk(number)[inside : inside + len(view)]
                taken = len(piece)
                view[:taken] = piece
            self._at += taken
            view = view[taken:]
        return filled

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer at the end."""
        left = self._size - self._at
        buffer = bytearray(left if size < 0 else min(size, left))
        self.readinto(buffer)
        return bytes(buffer)

    def peek(self, size: int) -> bytes:
        """The next bytes of the chunk at hand, without taking them."""
        del size
        number, inside = divmod(self._at, CHUNK_BYTES)
        return b"" if self._at >= self._size else bytes(self._chunk(number)[inside : inside + (1 << 16)])

    def readline(self) -> bytes:
        """Up to the next line feed; only the oldest pickle protocols ask for it."""
        line = bytearray()
        while not line.endswith(b"\n") and (byte := self.read(1)):
            line += byte
        return bytes(line)


class PartWriter:
    """Cuts what is written at fixed offsets. Chunks of a large write are taken from the caller's memory, not copied."""

    def __init__(self, store: ChunkStore, *, compress: bool) -> None:
        self._store, self._compress = store, compress
        self._begun = bytearray()
        self._names: list[str] = []
        self.size = 0

    def write(self, data: Bytes) -> int:
        """Take bytes in; returns how many."""
        view = memoryview(data).cast("B")
        self.size += len(view)
        if self._begun:
            taken = min(CHUNK_BYTES - len(self._begun), len(view))
            self._begun += view[:taken]
            view = view[taken:]
            if len(self._begun) == CHUNK_BYTES:
                self._put([self._begun])
                self._begun = bytearray()
        whole = len(view) // CHUNK_BYTES * CHUNK_BYTES
        if whole:
            self._put(view[start : start + CHUNK_BYTES] for start in range(0, whole, CHUNK_BYTES))
        self._begun += view[whole:]
        return len(data)

    def _put(self, pieces: Iterable[Bytes]) -> None:
        self._names += in_parallel(
            lambda piece: self._store.put(piece, compress=self._compress), [(piece,) for piece in pieces]
        )

    def small(self) -> bytes | None:
        """Everything written, where it is less than a chunk; then `finish` need not be called."""
        return None if self._names else bytes(self._begun)

    def finish(self) -> dict[str, Any]:
        """Store what is left; returns the part."""
        if self._begun:
            self._put([self._begun])
            self._begun = bytearray()
        if len(self._names) <= LONGEST_LIST:
            return {"size": self.size, "chunks": self._names}
        listed = json.dumps(self._names, separators=(",", ":")).encode("ascii")
        return {"size": self.size, "list": self._store.put(listed, compress=False)}


def inline(data: Bytes) -> dict[str, Any]:
    """A part that stands in the record itself."""
    return {"size": len(data), "inline": binascii.b2a_base64(data, newline=False).decode("ascii")}


def in_parallel(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """`work(*one)` for each, on two threads where there are several: hashing and writing release the interpreter.

    Results in order; the first exception is raised after all threads are done.
    """
    if len(arguments) < 2:
        return [work(*one) for one in arguments]
    import threading

    results: list[Any] = [None] * len(arguments)
    failures: list[BaseException] = []
    waiting: Iterator[tuple[int, tuple[Any, ...]]] = iter(enumerate(arguments))
    lock = threading.Lock()

    def run() -> None:
        while not failures:
            with lock:
                number, one = next(waiting, (-1, ()))
            if number < 0:
                return
            try:
                results[number] = work(*one)
            except BaseException as error:
                failures.append(error)

    helper = threading.Thread(target=run, name="penstock-chunks")
    helper.start()
    run()
    helper.join()
    if failures:
        raise failures[0]
    return results
