"""Values as rows of a manifest: pickle, large buffers out of band, chunks below, a small preview beside.

    row = {"type": "numpy.ndarray", "size": bytes, "hash": sha256, "stream": PART, "buffers": [PART, ...],
           "preview": text, "package": "numpy 2.1.0" for types that are not Python's own or the flow's,
           "python": "3.11" where the value was pickled by value}

The hash is of the content, so equal hashes are equal values: of a stream below 4 MiB by itself, of a longer one and of
each buffer by `SIZE SHA256 SHA256 ...` of its chunks. A value that a step only read keeps its row; one that it changed
in place gets a new one, and the chunks that did not change are not written again.
"""

from __future__ import annotations

import binascii
import pickle
import sys

from penstock.errors import ChunkDamaged, NotReadable, PenstockError
from penstock.storage import bundle, by_value, chunks, keys
from penstock.storage.chunks import ChunkStore
from penstock.storage.preview import package, preview, type_name, version
from penstock.storage.sha256 import sha256
from penstock.storage.unpicklable import not_storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.storage.chunk_cache import ChunkCache

    Row = Mapping[str, Any]

INLINE_BYTES = 1024  # a stream up to this size stands in the record itself ...
INLINE_TOGETHER_BYTES = 64 * 1024  # ... while all that an attempt made are not more than this
OUT_OF_BAND_BYTES = 64 * 1024  # smaller buffers stay in the stream: a part of their own would cost more
COMPARED_BYTES = 1 << 20  # streams up to this size are compared with the pickle of a fresh load
READ_WHOLE_BYTES = 64 * 1024  # items of a foreach up to this size: one request is cheaper than three ranges
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_CRC_BYTES = 4


class Artifacts:
    """Stores and loads values of one attempt or reader. verify: check the hash of mapped chunks too.

    cache: keeps copies of what is read of a store far away. known: key -> object, of what was fetched by other ways.
    """

    def __init__(
        self,
        datastore: Datastore,
        *,
        verify: bool = False,
        cache: ChunkCache | None = None,
        known: Mapping[str, bytes] | None = None,
    ) -> None:
        self.datastore = datastore
        self._chunks = ChunkStore(datastore, verify=verify, defers=True, cache=cache, known=known)
        self._inline_left = INLINE_TOGETHER_BYTES

    # -- store

    def store(self, name: str, value: Any) -> dict[str, Any]:
        """Keep a value; returns its row. Raises NotStorable, naming the path to what can't be pickled."""
        return self._row(value, _Pickled(self._chunks, name, value))

    def store_again(self, name: str, value: Any, row: Row) -> Row:
        """Keep a value that was loaded from `row` and may have been changed in place; unchanged, it is `row` itself."""
        pickled = _Pickled(self._chunks, name, value)
        if pickled.content_hash() == row["hash"] or self._pickles_anew_as(pickled, name, row):
            return row
        return self._row(value, pickled)

    def _pickles_anew_as(self, pickled: _Pickled, name: str, row: Row) -> bool:
        """Whether a fresh load gives the same pickle: some objects pickle differently once they were read."""
        if pickled.stream.size > COMPARED_BYTES or pickled.buffer_parts() != row.get("buffers", []):
            return False
        return _Pickled(self._chunks, name, self.load(name, row)).content_hash() == pickled.content_hash()

    def _row(self, value: Any, pickled: _Pickled) -> dict[str, Any]:
        row = {
            "type": type_name(type(value)),
            "size": pickled.size(),
            "hash": pickled.content_hash(),
            "stream": self._part(pickled.stream),
            "buffers": pickled.buffer_parts() or None,
            "preview": preview(value),
            "package": package(type(value)),
            "python": pickled.python,
        }
        return {field: found for field, found in row.items() if found is not None}

    def _part(self, written: chunks.PartWriter) -> dict[str, Any]:
        """A stream as a part: in the record itself where it is small and there is room."""
        if written.size <= min(INLINE_BYTES, self._inline_left):
            data = written.small()
            if data is not None:
                self._inline_left -= len(data)
                return chunks.inline(data)
        return written.finish()

    def store_items(self, items: Iterable[Any]) -> tuple[dict[str, Any], int]:
        """Keep the items of a foreach in one bundle, each as `CRC-32, pickle`; returns its row and their number.

        Items are taken one by one: there may be more of them than fit in memory. Raises NotStorable.
        """
        written = self._chunks.writer(compress=False)  # raw, so that a task reads its slice alone
        import hashlib  # there may be any number of them: OpenSSL is several times as fast

        digest = hashlib.sha256()
        made = bundle.BundleWriter(written.write)
        python = None
        for number, item in enumerate(items):
            pickled, by_value = _dump_alone(f"item {number}", item)
            python = python or by_value
            digest.update(pickled)
            made.add(binascii.crc32(pickled).to_bytes(_CRC_BYTES, "little") + pickled)
        count = made.finish()
        row = {
            "type": "penstock.items",
            "size": written.size,
            "hash": digest.hexdigest(),
            "stream": self._part(written),
            "count": count,
            "python": python,
        }
        return {field: found for field, found in row.items() if found is not None}, count

    def flush(self) -> None:
        """Write what waits to be written together; a row may not be given to anybody before."""
        self._chunks.flush()

    # -- load

    def load(self, name: str, row: Row) -> Any:
        """The value of a row. Large buffers are mapped where the store's objects are files of this machine.

        Raises ChunkDamaged, NotReadable, each naming the artifact and what to do.
        """
        label = f"artifact {name!r}"
        _check_python(label, row)
        try:
            return self._unpickled(row["stream"], [self._buffer(part) for part in row.get("buffers", ())])
        except Exception as error:
            raise _not_loaded(label, row, error) from error

    def check_readable(self, rows: Mapping[str, Row]) -> None:
        """Whether this Python has the codecs of these values. Raises NotReadable, naming the first that it lacks."""
        for name, row in rows.items():
            try:
                for part in (row["stream"], *row.get("buffers", ())):
                    self._chunks.check_codecs(part)
            except NotReadable as error:
                raise _not_loaded(f"artifact {name!r}", row, error) from error

    def load_item(self, row: Row, index: int) -> Any:
        """Item `index` of what `store_items` kept; of a large bundle its slice alone is read."""
        label = f"item {index} of the foreach"
        _check_python(label, row)
        try:
            return pickle.loads(self._item(row["stream"], index))
        except Exception as error:
            raise _not_loaded(label, row, error) from error

    def _item(self, part: Row, index: int) -> memoryview:
        """One pickle of a bundle, checked by its sum. Raises ChunkDamaged."""
        try:
            item = memoryview(bundle.BundleReader(part["size"], self._ranges(part)).item(index))
        except (ValueError, IndexError) as error:  # its table leads nowhere
            raise ChunkDamaged(str(error)) from error
        pickled = item[_CRC_BYTES:]
        if not pickled or binascii.crc32(pickled) != int.from_bytes(item[:_CRC_BYTES], "little"):
            raise ChunkDamaged("its bytes do not have the checksum that they were written with")
        return pickled

    def _ranges(self, part: Row) -> Callable[[int, int], bytes]:
        if part["size"] > READ_WHOLE_BYTES:
            return lambda start, length: self._chunks.read_range(part, start, length)
        whole = bytes(self._chunks.read(part))
        return lambda start, length: whole[start : start + length]

    def _buffer(self, part: Row) -> memoryview:
        mapped = self._chunks.map(part)
        return mapped if mapped is not None else self._chunks.copy(part)

    def _unpickled(self, part: Row, buffers: list[memoryview]) -> Any:
        if part["size"] <= chunks.CHUNK_BYTES:
            return pickle.loads(self._chunks.read(part), buffers=buffers)
        return pickle.Unpickler(self._chunks.reader(part), buffers=buffers).load()


def object_of_items(row: Row) -> str | None:
    """The key of the one object that every `load_item` of this row reads whole; None where there is none."""
    part = row["stream"]
    whole = part["size"] <= READ_WHOLE_BYTES and len(part.get("chunks", ())) == 1
    return keys.chunk(part["chunks"][0]) if whole else None


class _Pickled:
    """One value on its way into chunks: the stream as it is written, buffers beside it.

    python: the version that alone can read it, None for any. Raises NotStorable.
    """

    def __init__(self, store: ChunkStore, name: str, value: Any) -> None:
        self._store = store
        self.stream = store.writer()
        self._buffers: list[chunks.PartWriter] = []
        self.python: str | None = None
        try:
            pickle.Pickler(self.stream, by_value.PROTOCOL, buffer_callback=self._take).dump(value)
        except (PenstockError, MemoryError):  # the store's own trouble, the machine's
            raise
        except Exception as refusal:  # noqa: BLE001  a user's `__reduce__` may raise anything
            self.stream, self._buffers = store.writer(), []
            self._dump_by_value(name, value, refusal)

    def _dump_by_value(self, name: str, value: Any, refusal: Exception) -> None:
        try:
            by_value.pickler(self.stream, self._take).dump(value)
        except (PenstockError, MemoryError):
            raise
        except Exception as error:
            raise not_storable(name, value, refusal) from error
        self.python = _PYTHON

    def _take(self, buffer: pickle.PickleBuffer) -> bool:
        """True keeps the buffer in the stream."""
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND_BYTES:
            return True
        writer = self._store.writer()
        writer.write(raw)
        self._buffers.append(writer)
        return False

    def size(self) -> int:
        """Bytes of stream and buffers."""
        return self.stream.size + sum(writer.size for writer in self._buffers)

    def buffer_parts(self) -> list[dict[str, Any]]:
        """The parts of the buffers, in the order of the stream; all are stored."""
        return [writer.finish() for writer in self._buffers]

    def content_hash(self) -> str:
        """sha256 of the content, see the head of this file."""
        small = self.stream.small()
        digest = sha256(self.stream.content() if small is None else small)
        for writer in self._buffers:
            digest.update(writer.content())
        return digest.hexdigest()


def _dump_alone(name: str, value: Any) -> tuple[bytes, str | None]:
    """A pickle in one piece, and the Python version that alone can read it (None for any). Raises NotStorable."""
    try:
        return pickle.dumps(value, by_value.PROTOCOL), None
    except MemoryError:
        raise
    except Exception as refusal:  # noqa: BLE001  as above
        try:
            return by_value.dumps(value), _PYTHON
        except Exception as error:
            raise not_storable(name, value, refusal) from error


# -------------------------------------------------------------------------------------- what can't be loaded


def _check_python(label: str, row: Row) -> None:
    if row.get("python") not in (None, _PYTHON):
        raise NotReadable(
            f"{label} holds code that Python {row['python']} pickled by value; this is Python {_PYTHON}, where it "
            f"would crash",
            hint=f"read it with Python {row['python']}",
        )


def _not_loaded(label: str, row: Row, error: Exception) -> Exception:
    """The error to raise for one that came up while a value was loaded."""
    if isinstance(error, ChunkDamaged):
        return ChunkDamaged(f"{label}: {error}", hint="flow resume FILE STEP   # runs the step that made it again")
    if isinstance(error, NotReadable):
        return NotReadable(f"{label}: {error}", hint=error.hint)
    if isinstance(error, (PenstockError, MemoryError)):
        return error
    return NotReadable(
        f"{label} of type {row['type']} can't be loaded: {type(error).__name__}: {error}{_versions(row)}",
        hint=_load_hint(error, row),
    )


def _versions(row: Row) -> str:
    written: str | None = row.get("package")
    if written is None:
        return ""
    here = version(written.partition(" ")[0])
    return f" (written with {written}, here is {here or 'none'})"


def _load_hint(error: Exception, row: Row) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        name, _, written = str(row.get("package") or "").partition(" ")
        if name == error.name.partition(".")[0] and version(name) is None:
            return f"install {name} {written}, which wrote it"
        return f"install what has the module {error.name}, or read it where the flow's own code can be imported"
    if isinstance(error, (ImportError, AttributeError)):
        return "the class has gone or was renamed since: read it with the code and the packages that wrote it"
    return "read it with the versions of the packages that wrote it"
