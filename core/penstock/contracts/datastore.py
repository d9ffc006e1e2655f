"""Datastore: bytes under keys. Four abstract methods; the others have defaults over them and exist for speed."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penstock.contracts.reach import Reach
from penstock.errors import KeyMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any, BinaryIO, TypeAlias

    from penstock.contracts.finding import Finding

    Bytes: TypeAlias = bytes | bytearray | memoryview

DATASTORE_CONTRACT = 1


class Stat:
    """Facts of one object. size: bytes; age_s: seconds since it was written or touched, by the store's own clock."""

    __slots__ = ("age_s", "key", "size")

    def __init__(self, key: str, size: int, age_s: float) -> None:
        self.key, self.size, self.age_s = key, size, age_s

    def __repr__(self) -> str:
        return f"Stat({self.key!r}, size={self.size}, age_s={self.age_s:.1f})"


class Datastore(ABC):
    """Stores bytes under keys.

    Keys are parts of `[A-Za-z0-9._=~-]`, joined by `/`, at most 900 bytes; no part is `.` or `..` or longer than 120
    bytes, and no key is the folder of another.
    Thread-safe; safe to use in a process that was forked after construction. The constructor takes the options as
    keywords and does no work; the first call reaches out. Beside the errors named below, each method may raise
    BackendUnavailable (again later) and BackendMisconfigured (not before the user acts).
    """

    reach: Reach = Reach.HOST
    exclusive_put: bool = True  # False: serves only an executor that `starts_once`, under one scheduler
    width: int = 2  # calls at once that pay: more where they wait for a network
    compresses_from: float = 2.0  # a codec must gain this factor; where bytes travel far, 1.2

    @abstractmethod
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        """Write the whole object; True when this call wrote it.

        Atomic: a reader sees nothing or everything, also after a crash. With `replace=False` exclusive: of many
        concurrent writers exactly one gets True, and False means that the object stands there complete.
        """

    @abstractmethod
    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """Read `length` bytes (None: to the end) from byte `start`. Raises KeyMissing."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object whose key begins with `prefix`, in any order. What a finished `put` wrote is listed."""

    @abstractmethod
    def delete(self, keys: Collection[str]) -> None:
        """Remove objects; keys that are missing are passed over."""

    # -- defaults over the four above; override for speed

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes themselves. Raises KeyMissing."""
        with self.open(key, start, length) as stream:
            return stream.read()

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Each key with its bytes, in the order asked; None for a key that is missing."""
        for key in keys:
            try:
                yield key, self.get(key)
            except KeyMissing:
                yield key, None

    def put_many(self, items: Iterable[tuple[str, Bytes]]) -> None:
        """Write objects with `replace=False`; those that exist stay."""
        for key, data in items:
            self.put(key, data)

    def put_pieces(self, key: str, pieces: Callable[[], Iterable[Bytes]]) -> bool:
        """As `put` with `replace=False`, of an object that need not be in memory as a whole.

        pieces: gives the bytes in order; may be called again, and then gives the same. What it raises passes, and
        nothing is written then.
        """
        return self.put(key, b"".join(pieces()))

    def put_content(self, key: str, data: Bytes) -> None:
        """Write an object whose key determines its bytes. One that a power cut has left torn is written again."""
        if not self.put(key, data):
            standing = self.stat(key)
            if standing is None or standing.size != len(data):
                self.put(key, data, replace=True)

    def stat(self, key: str) -> Stat | None:
        """Facts of one object, None when it is missing."""
        return next((found for found in self.list(key) if found.key == key), None)

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        return self.stat(key) is not None

    def touch(self, key: str) -> None:
        """Make the object young again, so that gc leaves it. Raises KeyMissing."""
        self.put(key, self.get(key), replace=True)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """The next part of each key below `prefix` (which ends in `/` or is empty), once each, in any order."""
        seen = set()
        for found in self.list(prefix):
            part = found.key[len(prefix) :].partition("/")[0]
            if part not in seen:
                seen.add(part)
                yield part

    def local_path(self, key: str) -> str | None:
        """The file that holds the object (whether it exists or not), None where objects are no files of this host."""
        return None

    @property
    def host_paths(self) -> tuple[Path, ...]:
        """Folders that a job on this host must see, under the same path, to use the store."""
        return ()

    @property
    def label(self) -> str:
        """Where the data lies, for people: a folder or a URL without credentials."""
        return type(self).__name__

    def options(self) -> dict[str, Any]:
        """The keywords that open the same store in another process, as JSON. Never holds a secret."""
        return {}

    def secrets(self) -> Mapping[str, str]:
        """Variables by which a job that sees none of this machine's variables and files reaches the store as we do.

        Beside `options` they are all that `bootstrap` and the constructor need there. Asked before each job, because
        credentials may be new since the last one. A process of this machine gets none: it inherits what this one has.
        Raises BackendMisconfigured when this process has none itself.
        """
        return {}

    def bootstrap(self) -> str | None:
        """Source of `fetch(key) -> bytes` for a bare interpreter of any supported version, standard library only.

        At most 4 kB packed. None: jobs elsewhere can't start from this store.
        """
        return None

    def packages(self) -> tuple[str, ...]:
        """Names of the import packages that a worker needs to open this store, beside penstock itself."""
        return (type(self).__module__.partition(".")[0],)

    def examine(self) -> Iterator[Finding]:
        """Look at all that a run would need, for `flow doctor`: here one small object, written, listed, read, deleted.

        What makes the rest pointless is raised, as by any other call. Leaves nothing behind.
        """
        from secrets import token_hex

        from penstock.contracts.finding import BAD, Finding

        key, content = f"doctor/{token_hex(8)}", b"flow doctor"
        try:
            first, second = self.put(key, content), self.put(key, b"")
            whole = self.get(key) == content and [stat.key for stat in self.list(key)] == [key]
        finally:
            self.delete([key])
        if not whole or self.exists(key):
            yield Finding("round trip", "what was written is not what is read, listed and deleted", BAD)
        elif (first, second) != (True, not self.exclusive_put):
            yield Finding("round trip", "an object that stands there was written over", BAD)
        else:
            yield Finding("round trip", f"{self.label} can be written, listed, read and deleted from")

    def close(self) -> None:
        """Free clients and files. May be called twice."""
