"""Bytes as chunks: cut at fixed offsets, named by their content, stored once, checked when they are read.

Where they lie is told by a part, one of

    {"size": n, "inline": base64}                 up to 1 KiB, within the budget of the attempt
    {"size": n, "chunks": ["SHA256.codec", ...]}  4 MiB each, the last one shorter
    {"size": n, "list": "SHA256.raw"}             more than 100 chunks: their list is a chunk itself, JSON
"""

from __future__ import annotations

import binascii
import json
import mmap

from penstock.contracts.reach import Reach
from penstock.errors import ChunkDamaged, KeyMissing, NotReadable
from penstock.storage import compression, keys, mapping
from penstock.storage.sha256 import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from penstock.contracts.datastore import Bytes, Datastore
    from penstock.storage.chunk_cache import ChunkCache

    Part = Mapping[str, Any]

CHUNK_BYTES = 4 << 20  # the unit of sharing: one changed element costs one chunk
LONGEST_LIST = 100  # chunks named in the record itself
DEFERRED_BYTES = 256 * 1024  # smaller ones cost a request, not bytes
TOUCH_AFTER_S = 24 * 3600.0  # a chunk that is used again is made young, so that gc (from two days on) leaves it
_HUGE_BYTES = 64 << 20  # memory to fill: from here on it never is a piece of a heap that is used again
_PEEK_BYTES = 64 * 1024  # about what an unpickler can use of what it is shown


class ChunkStore:
    """Writes and reads parts in one datastore. verify: check the hash of mapped chunks too.

    defers: small chunks wait until there are many, and are written together; `flush` must be called at the end.
    cache: keeps copies of what is read. known: key -> object, of what was fetched by other ways.
    """

    def __init__(
        self,
        datastore: Datastore,
        *,
        verify: bool = False,
        defers: bool = False,
        cache: ChunkCache | None = None,
        known: Mapping[str, bytes] | None = None,
    ) -> None:
        self.datastore, self.verify, self._cache, self._known = datastore, verify, cache, known or {}
        self._defers = defers and datastore.reach is Reach.ANYWHERE
        self._deferred: dict[str, bytes] = {}  # key -> what is stored there
        self._deferred_bytes = 0
        self._listed: tuple[str, list[str]] = ("", [])  # the list chunk read last: ranges come one after another

    # -- writing

    def writer(self, *, compress: bool = True) -> PartWriter:
        """A file-like object that chunks what is written to it, without holding more than a few chunks."""
        return PartWriter(self, compress=compress)

    def put(self, data: Bytes, *, compress: bool = True) -> str:
        """Store one chunk, or keep the one that is there; returns `SHA256.codec`."""
        digest = sha256(data).hexdigest()
        codec = compression.choose(data, self.datastore.compresses_from) if compress else compression.RAW
        name = f"{digest}.{codec}"
        key = keys.chunk(name)
        if self._defers and len(data) <= DEFERRED_BYTES:
            self._deferred[key] = bytes(compression.compress(codec, data))  # a copy: the caller's memory may change
            self._deferred_bytes += len(data)
            if self._deferred_bytes > CHUNK_BYTES:
                self.flush()
            return name
        standing = self.datastore.stat(key)
        torn = standing is not None and _is_torn(standing.size, codec, len(data))
        if standing is None or torn:
            self.datastore.put(key, compression.compress(codec, data), replace=torn)
        elif standing is not None and standing.age_s > TOUCH_AFTER_S:
            self._make_young(key, compression.compress(codec, data))
        return name

    def flush(self) -> None:
        """Write the chunks that wait, at once. One request for each that is new."""
        waiting, self._deferred, self._deferred_bytes = list(self._deferred.items()), {}, 0
        in_parallel(self._put_unseen, waiting, self.datastore.width)

    def _put_unseen(self, key: str, stored: bytes) -> None:
        if not self.datastore.put(key, stored):
            standing = self.datastore.stat(key)
            if standing is None:
                self.datastore.put(key, stored)
            elif standing.age_s > TOUCH_AFTER_S:
                self._make_young(key, stored)

    def _make_young(self, key: str, stored: Bytes) -> None:
        try:
            self.datastore.touch(key)
        except KeyMissing:  # gc took it between the two calls
            self.datastore.put(key, stored)

    # -- reading

    def names(self, part: Part) -> list[str]:
        """The chunks of a part, in order. Raises ChunkDamaged when they can't be the part's."""
        if "list" not in part:
            names: list[str] = part["chunks"]
        elif part["list"] == self._listed[0]:
            names = self._listed[1]
        else:
            text = self._get(part["list"])
            _verify(part["list"], text)
            names = json.loads(text)
            self._listed = (part["list"], names)
        if len(names) != -(-part["size"] // CHUNK_BYTES):
            raise ChunkDamaged(f"{len(names)} chunks can't hold {part['size']} bytes")
        return names

    def check_codecs(self, part: Part) -> None:
        """Raises NotReadable where this Python can't read the codec of one of the chunks."""
        if "inline" in part or ("list" in part and all(map(compression.can_read, compression.CODECS))):
            return  # a list of chunks is an object of its own, not to be read for nothing
        for codec in {name.rpartition(".")[2] for name in self.names(part)}:
            compression.check(codec)

    def read(self, part: Part) -> Bytes:
        """All bytes of a part, verified. Raises ChunkDamaged, NotReadable."""
        if "inline" in part:
            return binascii.a2b_base64(part["inline"])
        names = self.names(part)
        return self.fetch(names[0], part["size"]) if len(names) == 1 else self.copy(part)

    def copy(self, part: Part) -> memoryview:
        """All bytes of a part of chunks, verified, in writable memory. Raises ChunkDamaged, NotReadable."""
        target = memoryview(mmap.mmap(-1, part["size"], mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self.fill(self.names(part), target)
        return target

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
            if names[number].endswith(compression.RAW):
                piece = self._get(names[number], inside, taken)
            else:
                size = min(CHUNK_BYTES, part["size"] - number * CHUNK_BYTES)
                piece = bytes(self.fetch(names[number], size)[inside : inside + taken])
            if len(piece) < taken:
                raise ChunkDamaged(f"the chunk {keys.chunk(names[number])} is cut short")
            pieces.append(piece)
            start, length = start + taken, length - taken
        return b"".join(pieces)

    def map(self, part: Part) -> memoryview | None:
        """The bytes of a part as private writable memory, read from the store's files when touched.

        Chunks that are compressed are expanded at once. None where objects are no files or can't be mapped.
        Raises ChunkDamaged, NotReadable.
        """
        if not mapping.AVAILABLE or "inline" in part:
            return None
        remote = self.datastore.local_path(keys.FORMAT) is None
        if remote and (self._cache is None or part["size"] > self._cache.limit_bytes // 2):
            return None
        names = self.names(part)
        sizes = [min(CHUNK_BYTES, part["size"] - start) for start in range(0, part["size"], CHUNK_BYTES)]
        find, width = (self._copied, self.datastore.width) if remote else (self._file, 1)
        files = list(zip(in_parallel(find, list(zip(names, sizes, strict=True)), width), sizes, strict=True))
        if not any(path for path, _ in files):
            return None
        try:
            view = memoryview(mapping.map_files(files))
        except OSError:  # the file system does not map files, or the process has too many maps
            return None
        except ChunkDamaged:
            if remote:  # another process has taken a copy away meanwhile
                return None
            raise
        places = [view[start : start + CHUNK_BYTES] for start in range(0, part["size"], CHUNK_BYTES)]
        packed = [(name, place) for (path, _), name, place in zip(files, names, places, strict=True) if path is None]
        in_parallel(self.fetch_into, packed, self.datastore.width)
        if self.verify:
            in_parallel(_verify, list(zip(names, places, strict=True)))
        return view

    def fill(self, names: list[str], target: memoryview) -> None:
        """Chunks behind each other, verified, into memory of exactly their size.

        Huge pages pay where filling is all that there is to wait for. Beside a network they gain nothing, and memory
        that is in pieces has to be put together first: 1.5 s of CPU instead of 0.6 s for 512 MiB were seen.
        """
        if len(target) >= _HUGE_BYTES and self.datastore.reach is not Reach.ANYWHERE:
            mapping.ask_for_huge_pages(target)
        starts = range(0, len(target), CHUNK_BYTES)
        work = [(name, target[at : at + CHUNK_BYTES]) for name, at in zip(names, starts, strict=True)]
        in_parallel(self.fetch_into, work, self.datastore.width)

    def fetch(self, name: str, size: int) -> Bytes:
        """One chunk of `size` bytes, verified."""
        copy = None if self._cache is None else self._cache.get(name)
        if copy is not None and self._cache is not None:
            try:
                return _checked(name, copy, size)
            except ChunkDamaged:
                self._cache.drop(name)
        stored = self._get(name)
        data = _checked(name, stored, size)
        if self._cache is not None:
            self._cache.keep(name, stored)
        return data

    def fetch_into(self, name: str, target: memoryview) -> None:
        """One chunk, verified, into memory of its size."""
        if self._cache is not None or not name.endswith(compression.RAW):
            target[:] = self.fetch(name, len(target))
            return
        try:
            with self.datastore.open(keys.chunk(name)) as stream:
                whole = _read_into(stream, target) and not stream.read(1)
        except KeyMissing as error:
            raise _missing(name) from error
        if not whole:
            raise ChunkDamaged(f"the chunk {keys.chunk(name)} does not have {len(target)} bytes")
        _verify(name, target)

    def _copied(self, name: str, size: int) -> str | None:
        """The checked copy of a raw chunk, fetched where there is none; None for one that can't be mapped."""
        if self._cache is None or not name.endswith(compression.RAW):
            return None
        self.fetch(name, size)
        return self._cache.path(name)

    def _file(self, name: str, _: int) -> str | None:
        return self.datastore.local_path(keys.chunk(name)) if name.endswith(compression.RAW) else None

    def _get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        key = keys.chunk(name)
        if key in self._known:
            return self._known[key][start:][:length]
        if key in self._deferred:
            self.flush()
        try:
            return self.datastore.get(key, start, length)
        except KeyMissing as error:
            raise _missing(name) from error


def _is_torn(size: int, codec: str, original: int) -> bool:
    """Whether a power cut has left a chunk without its bytes; of a compressed one only that it has none can be told."""
    return size == 0 or (codec == compression.RAW and size != original)


def _read_into(stream: Any, target: memoryview) -> bool:
    """Fill the target; False when the stream ends before."""
    done = 0
    while done < len(target):
        count = stream.readinto(target[done:])
        if not count:
            return False
        done += count
    return True


def _checked(name: str, stored: Bytes, size: int) -> Bytes:
    data = stored if name.endswith(compression.RAW) else _expanded(name, stored, size)
    _verify(name, data)
    return data


def _expanded(name: str, stored: Bytes, size: int) -> Bytes:
    try:
        return compression.expand(name.rpartition(".")[2], stored, size)
    except (ChunkDamaged, NotReadable) as error:
        raise type(error)(f"the chunk {keys.chunk(name)} can't be read: {error}", hint=error.hint) from error


def _verify(name: str, data: Bytes) -> None:
    if sha256(data).hexdigest() != name.partition(".")[0]:
        raise ChunkDamaged(f"the chunk {keys.chunk(name)} is damaged: its bytes do not have the hash of its name")


def _missing(name: str) -> ChunkDamaged:
    return ChunkDamaged(f"the chunk {keys.chunk(name)} is missing")


class PartReader:
    """Reads a part from its first byte to its last, for an unpickler. Whole chunks go straight into its memory."""

    def __init__(self, store: ChunkStore, part: Part) -> None:
        self._store, self._size, self._names = store, part["size"], store.names(part)
        self._at = 0
        self._number = -1  # of the chunk that is held
        self._held: Bytes = b""

    def readinto(self, target: Any) -> int:
        """Fill `target` as far as the part goes; returns how many bytes were filled."""
        view = memoryview(target).cast("B")[: self._size - self._at]
        filled = len(view)
        while view:
            number, inside = divmod(self._at, CHUNK_BYTES)
            whole = 0 if inside else len(view) // CHUNK_BYTES
            if whole:
                taken = whole * CHUNK_BYTES
                self._store.fill(self._names[number : number + whole], view[:taken])
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
        """Some of the next bytes, without taking them."""
        if self._at >= self._size:
            return b""
        number, inside = divmod(self._at, CHUNK_BYTES)
        return bytes(self._chunk(number)[inside : inside + min(size, _PEEK_BYTES)])

    def readline(self) -> bytes:
        """Up to the next line feed; only the oldest pickle protocols ask for it."""
        line = bytearray()
        while not line.endswith(b"\n") and (byte := self.read(1)):
            line += byte
        return bytes(line)

    def _chunk(self, number: int) -> memoryview:
        if number != self._number:
            size = min(CHUNK_BYTES, self._size - number * CHUNK_BYTES)
            self._held, self._number = self._store.fetch(self._names[number], size), number
        return memoryview(self._held)


class PartWriter:
    """Cuts what is written at fixed offsets. Chunks of a large write are taken from the caller's memory, not copied."""

    def __init__(self, store: ChunkStore, *, compress: bool) -> None:
        self._store, self._compress = store, compress
        self._begun = bytearray()
        self._names: list[str] = []
        self._part: dict[str, Any] | None = None
        self.size = 0

    def write(self, data: Bytes | pickle.PickleBuffer) -> int:
        """Take bytes in; returns how many."""
        view = memoryview(data).cast("B")
        size = len(view)
        self.size += size
        if self._begun:
            taken = min(CHUNK_BYTES - len(self._begun), size)
            self._begun += view[:taken]
            view = view[taken:]
            if len(self._begun) == CHUNK_BYTES:
                self._put([self._begun])
                self._begun = bytearray()
        whole = len(view) // CHUNK_BYTES * CHUNK_BYTES
        if whole:
            self._put([view[start : start + CHUNK_BYTES] for start in range(0, whole, CHUNK_BYTES)])
        self._begun += view[whole:]
        return size

    def small(self) -> bytes | None:
        """Everything written, where it is less than a chunk; then `finish` need not be called."""
        return None if self._names else bytes(self._begun)

    def finish(self) -> dict[str, Any]:
        """Store what is left; returns the part. A second call returns the same."""
        if self._part is None:
            if self._begun:
                self._put([self._begun])
                self._begun = bytearray()
            self._part = self._listed()
        return self._part

    def content(self) -> bytes:
        """What was written, by size and hashes: `SIZE SHA256 SHA256 ...`, however the chunks are compressed."""
        self.finish()
        return " ".join([str(self.size), *(name.partition(".")[0] for name in self._names)]).encode("ascii")

    def _put(self, pieces: list[Bytes]) -> None:
        put, width = self._store.put, self._store.datastore.width
        made = in_parallel(lambda piece: put(piece, compress=self._compress), [(piece,) for piece in pieces], width)
        self._names += made

    def _listed(self) -> dict[str, Any]:
        if len(self._names) <= LONGEST_LIST:
            return {"size": self.size, "chunks": self._names}
        text = json.dumps(self._names, separators=(",", ":")).encode("ascii")
        return {"size": self.size, "list": self._store.put(text, compress=False)}


def inline(data: Bytes) -> dict[str, Any]:
    """A part that stands in the record itself."""
    return {"size": len(data), "inline": binascii.b2a_base64(data, newline=False).decode("ascii")}


def in_parallel(work: Callable[..., Any], arguments: list[tuple[Any, ...]], width: int = 2) -> list[Any]:
    """`work(*one)` for each, on `width` threads where there are several: hashing and writing release the interpreter.

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
            except BaseException as error:  # noqa: BLE001  raised below
                failures.append(error)

    helpers = [threading.Thread(target=run, name="penstock-chunks") for _ in range(min(width, len(arguments)) - 1)]
    for helper in helpers:
        helper.start()
    run()
    for helper in helpers:
        helper.join()
    if failures:
        raise failures[0]
    return results
