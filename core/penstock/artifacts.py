"""Values as rows of a manifest: pickle, large buffers out of band, chunks below, a small preview beside.

    row = {"type": "numpy.ndarray", "size": bytes, "hash": sha256, "stream": PART, "buffers": [PART, ...],
           "preview": text, "python": "3.11" where the value was pickled by value}

The hash is over the content (stream and buffers), so equal rows are equal values. A value that a step only read keeps its
row; one that it changed in place gets a new one, and the chunks that did not change are not written again.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import pickle
import sys

from penstock import bundle, chunks
from penstock.chunks import ChunkStore
from penstock.errors import ArtifactError, ChunkDamaged, NotReadable, NotStorable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from penstock.contracts.datastore import Datastore

    Row = Mapping[str, Any]

PROTOCOL = 5
INLINE_BYTES = 1024  # a value up to this size stands in the record itself ...
INLINE_TOGETHER_BYTES = 64 * 1024  # ... while all of an attempt's are not more than this
OUT_OF_BAND_BYTES = 64 * 1024  # smaller buffers stay in the stream: a part of their own would cost more
COMPARED_BYTES = 1 << 20  # streams up to this size are compared with the pickle of a fresh load
PREVIEW_CHARACTERS = 80


class Artifacts:
    """Stores and loads values of one attempt or reader. verify: check the hash of mapped chunks too."""

    def __init__(self, datastore: Datastore, *, verify: bool = False) -> None:
        self.datastore = datastore
        self._chunks = ChunkStore(datastore, verify=verify)
        self._inline_left = INLINE_TOGETHER_BYTES

    # -- store

    def store(self, name: str, value: Any) -> dict[str, Any]:
        """Keep a value; returns its row. Raises NotStorable, naming the path to what can't be pickled."""
        pickled = _Pickled(self._chunks)
        python = pickled.dump(name, value)
        return self._row(value, pickled, python)

    def store_again(self, name: str, value: Any, row: Row) -> Row:
        """Keep a value that was loaded from `row` and may have been changed in place; unchanged, it is `row` itself."""
        pickled = _Pickled(self._chunks)
        python = pickled.dump(name, value)
        made = self._row(value, pickled, python)
        if made["hash"] == row["hash"]:
            return row
        if _same_buffers(made, row) and made["stream"]["size"] <= COMPARED_BYTES:
            fresh = _Pickled(self._chunks)  # some objects pickle differently after they were read
            fresh.dump(name, self.load(name, row))
            if fresh.content_hash() == made["hash"]:
                return row
        return made

    def _row(self, value: Any, pickled: _Pickled, python: str | None) -> dict[str, Any]:
        row = {
            "type": _type_name(type(value)),
            "size": pickled.size(),
            "hash": pickled.content_hash(),
            "stream": self._stream_part(pickled),
            "buffers": pickled.buffers,
            "preview": preview(value),
            "python": python,
        }
        return {name: part for name, part in row.items() if part not in (None, [])}

    def _stream_part(self, pickled: _Pickled) -> dict[str, Any]:
        data = pickled.stream.small()
        if data is not None and len(data) <= min(INLINE_BYTES, self._inline_left):
            self._inline_left -= len(data)
            return chunks.inline(data)
        return pickled.stream_part()

    def store_items(self, items: Iterable[Any]) -> tuple[dict[str, Any], int]:
        """Keep the items of a foreach, one pickle each, in one bundle; returns its row and their number.

        Items are taken one by one: there may be more of them than fit in memory. Raises NotStorable.
        """
        writer = self._chunks.writer(compress=False)  # so that a task reads its slice alone
        digest = hashlib.sha256()
        made = bundle.BundleWriter(writer.write)
        for number, item in enumerate(items):
            pickled = _dump_alone(f"item {number}", item)
            digest.update(pickled)
            made.add(pickled)
        count = made.finish()
        data = writer.small()
        if data is not None and len(data) <= min(INLINE_BYTES, self._inline_left):
            self._inline_left -= len(data)
            part = chunks.inline(data)
        else:
            part = writer.finish()
        row = {"type": "penstock.items", "size": writer.size, "hash": digest.hexdigest(), "stream": part, "count": count}
        return row, count

    # -- load

    def load(self, name: str, row: Row) -> Any:
        """The value of a row. Large buffers are mapped where the store's objects are files of this machine.

        Raises ChunkDamaged, NotReadable, each naming the artifact and what to do.
        """
        _check_python(name, row)
        try:
            buffers = [self._buffer(part) for part in row.get("buffers", ())]
            return self._unpickled(row["stream"], buffers)
        except ChunkDamaged as error:
            raise ChunkDamaged(f"artifact {name!r}: {error}", hint="flow resume FILE STEP   # runs the step that made it") from error
        except ArtifactError:
            raise
        except (ImportError, AttributeError) as error:
            raise NotReadable(
                f"artifact {name!r} of type {row['type']} can't be loaded: {error}", hint=_install_hint(error, row)
            ) from error
        except Exception as error:
            raise NotReadable(
                f"artifact {name!r} of type {row['type']} can't be loaded: {type(error).__name__}: {error}"
            ) from error

    def load_item(self, row: Row, index: int) -> Any:
        """Item `index` of what `store_items` kept; reads its slice alone."""
        part = row["stream"]
        try:
            reader = bundle.BundleReader(part["size"], lambda start, length: self._chunks.read_range(part, start, length))
            return pickle.loads(reader.item(index))
        except ValueError as error:
            raise ChunkDamaged(f"the items of the foreach are damaged: {error}") from error

    def _buffer(self, part: Row) -> Any:
        mapped = self._chunks.map(part)
        return mapped if mapped is not None else self._chunks.read(part)

    def _unpickled(self, part: Row, buffers: list[Any]) -> Any:
        if "inline" in part:
            return pickle.loads(binascii.a2b_base64(part["inline"]), buffers=buffers)
        if part["size"] <= chunks.CHUNK_BYTES:
            return pickle.loads(self._chunks.read(part), buffers=buffers)
        return pickle.Unpickler(self._chunks.reader(part), buffers=buffers).load()


class _Pickled:
    """One value on its way into chunks: the stream as it is written, buffers beside it."""

    def __init__(self, store: ChunkStore) -> None:
        self._store = store
        self.stream = store.writer()
        self.buffers: list[dict[str, Any]] = []
        self._part: dict[str, Any] | None = None

    def dump(self, name: str, value: Any) -> str | None:
        """Write the value; returns the Python version that can read it, None for any. Raises NotStorable."""
        try:
            pickle.Pickler(self.stream, PROTOCOL, buffer_callback=self._take).dump(value)
            return None
        except (pickle.PicklingError, TypeError, AttributeError, ImportError, RecursionError) as error:
            first = error
        except Exception as error:
            raise _not_storable(name, value, error) from error
        self.stream, self.buffers = self._store.writer(), []
        try:
            import cloudpickle

            cloudpickle.CloudPickler(self.stream, PROTOCOL, buffer_callback=self._take).dump(value)
        except Exception as error:
            raise _not_storable(name, value, first) from error
        return f"{sys.version_info.major}.{sys.version_info.minor}"

    def _take(self, buffer: pickle.PickleBuffer) -> bool:
        """True keeps the buffer in the stream."""
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous: pickle copies it
            return True
        if raw.nbytes < OUT_OF_BAND_BYTES:
            return True
        self.buffers.append(self._store.write(raw))
        return False

    def size(self) -> int:
        """Bytes of stream and buffers."""
        return self.stream.size + sum(int(part["size"]) for part in self.buffers)

    def stream_part(self) -> dict[str, Any]:
        """The stream's part; its last chunk is stored now."""
        if self._part is None:
            self._part = self.stream.finish()
        return self._part

    def content_hash(self) -> str:
        """sha256 over the stream (or the names of its chunks) and the names of the buffers' chunks."""
        small = self.stream.small() if self._part is None else None
        digest = hashlib.sha256(small if small is not None else _identity(self.stream_part()))
        for part in self.buffers:
            digest.update(_identity(part))
        return digest.hexdigest()


def _identity(part: Row) -> bytes:
    return json.dumps([part["size"], part.get("list") or part["chunks"]]).encode("ascii")


def _same_buffers(one: Row, other: Row) -> bool:
    made: bool = one.get("buffers", []) == other.get("buffers", [])
    return made


# --------------------------------------------------------------------------------------- what can't be kept


def _dump_alone(name: str, value: Any) -> bytes:
    try:
        return pickle.dumps(value, PROTOCOL)
    except Exception as first:
        try:
            import cloudpickle

            made: bytes = cloudpickle.dumps(value, PROTOCOL)
        except Exception as error:
            raise _not_storable(name, value, first) from error
        return made


def _not_storable(name: str, value: Any, error: Exception) -> NotStorable:
    path, culprit = _culprit(f"self.{name}" if name.isidentifier() else name, value)
    return NotStorable(
        f"{path} can't be stored: a value of type {_type_name(type(culprit))} can't be pickled ({error})",
        hint=f"leave it out: keep it in a local variable, or del {path} before self.next",
    )


def _culprit(path: str, value: Any, depth: int = 0) -> tuple[str, Any]:
    """The innermost part of a value that refuses to be pickled, and the way to it."""
    if depth < 8:
        for step, part in _parts(value):
            if not _can_be_pickled(part):
                return _culprit(path + step, part, depth + 1)
    return path, value


def _parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in list(value.items())[:1000]]
    if isinstance(value, list | tuple):
        return [(f"[{number}]", part) for number, part in enumerate(value[:1000])]
    if isinstance(value, type) or callable(value):
        return []
    return [(f".{name}", part) for name, part in getattr(value, "__dict__", {}).items()]


def _can_be_pickled(value: Any) -> bool:
    try:
        pickle.dumps(value, PROTOCOL)
    except Exception:
        try:
            import cloudpickle

            cloudpickle.dumps(value, PROTOCOL)
        except Exception:
            return False
    return True


def _check_python(name: str, row: Row) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if row.get("python") not in (None, here):
        raise NotReadable(
            f"artifact {name!r} holds code that Python {row['python']} pickled by value; this is Python {here}, where it "
            f"would crash",
            hint=f"read it with Python {row['python']}",
        )


def _install_hint(error: Exception, row: Row) -> str:
    package = getattr(error, "name", None) or str(row["type"]).partition(".")[0]
    return f"pip install {str(package).partition('.')[0]}   # or read it where the flow's own code can be imported"


# -------------------------------------------------------------------------------------------------- preview


def _type_name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def preview(value: Any) -> str | None:
    """A short text for lists, made without calling anything of the user's. None where there is nothing safe to say."""
    cls = type(value)
    if cls in (int, float, bool, complex, type(None)):
        return _short(repr(value))
    if cls in (str, bytes):
        return _short(repr(value[: PREVIEW_CHARACTERS + 1]), whole=len(value) <= PREVIEW_CHARACTERS)
    if cls in (list, tuple, set, frozenset, dict):
        return _short(_container(value))
    if cls.__module__.partition(".")[0] in ("numpy", "pandas", "torch"):
        return _shape(value)
    return None


def _container(value: Any) -> str:
    plain = (int, float, bool, str, type(None))
    if len(value) <= 20:
        parts = [*value, *value.values()] if isinstance(value, dict) else list(value)
        if all(type(part) in plain and not (type(part) is str and len(part) > PREVIEW_CHARACTERS) for part in parts):
            return repr(value)
    return f"{type(value).__name__} of {len(value)}"


def _shape(value: Any) -> str | None:
    try:
        shape = tuple(int(size) for size in value.shape)
        kind = getattr(value, "dtype", None)
    except Exception:
        return None
    text = " x ".join(map(str, shape)) or "scalar"
    return _short(f"{text} {kind}" if kind is not None else text)


def _short(text: str, *, whole: bool = True) -> str:
    if whole and len(text) <= PREVIEW_CHARACTERS:
        return text
    return text[: PREVIEW_CHARACTERS - 1] + "…"
