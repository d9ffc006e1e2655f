"""Codecs of chunks: raw, zlib, zstd. A chunk is compressed only where a sample of it shows that it pays."""

from __future__ import annotations

import zlib

from penstock.errors import ChunkDamaged, NotReadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from penstock.contracts.datastore import Bytes

RAW, ZLIB, ZSTD = "raw", "zlib", "zstd"
CODECS = (RAW, ZLIB, ZSTD)
_SAMPLE_BYTES = 32 * 1024  # zstd takes 0.05 ms for it, zlib 1 ms
_SMALLEST_BYTES = 4 * 1024  # below this a file system block is used up anyway
_ZSTD_LEVEL = 1  # 4 to 8 times as fast as gzip 3 with a ratio as good or better
_ZLIB_LEVEL = 1
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")  # Python 3.14 and later; the same for those before

_found: dict[str, Any] = {}  # what reads zstd here, looked for once; two threads may both look: they find the same


def choose(data: Bytes, least_gain: float) -> str:
    """The codec that pays for this chunk: RAW unless a sample shrinks by the factor `least_gain`."""
    size = len(data)
    if size < _SMALLEST_BYTES:
        return RAW
    middle = max(0, (size - _SAMPLE_BYTES) // 2)
    sample = memoryview(data)[middle : middle + _SAMPLE_BYTES]
    codec = ZSTD if _zstd_module() is not None else ZLIB
    return codec if len(sample) / len(compress(codec, sample)) >= least_gain else RAW


def compress(codec: str, data: Bytes) -> Bytes:
    """The compressed bytes. Raises ValueError for a codec that can't be written here."""
    if codec == RAW:
        return data
    if codec == ZLIB:
        return zlib.compress(data, _ZLIB_LEVEL)
    if codec == ZSTD and _zstd_module() is not None:
        packed: bytes = _zstd_module().compress(data, _ZSTD_LEVEL)
        return packed
    raise ValueError(f"codec {codec!r} can't be written here")


def expand(codec: str, data: Bytes, size: int) -> Bytes:
    """The original `size` bytes; memory for one byte more is the most that is taken, whatever the stored bytes claim.

    Raises ChunkDamaged when they are not these, NotReadable when this Python has no such codec.
    """
    check(codec)
    if codec == RAW:
        found: Bytes = data
    elif codec == ZLIB:
        found = _expand_zlib(data, size)
    else:
        found = _expand_zstd(data, size) if _zstd_module() is not None else _expand_by_library(data, size)
    if len(found) != size:
        raise ChunkDamaged(f"it holds {len(found)} bytes or more instead of {size}")
    return found


def check(codec: str) -> None:
    """Raises NotReadable where this Python can't read the codec, with the line that mends it."""
    if codec not in CODECS:
        raise NotReadable(f"codec {codec!r} is of a later version", hint="pip install --upgrade penstock")
    if not can_read(codec):
        raise NotReadable(
            "it is compressed with zstd, which this Python can't read",
            hint="pip install backports.zstd   # in the image too; or Python 3.14, or libzstd1 of the system",
        )


def can_read(codec: str) -> bool:
    """Whether this Python, or a library of its system, reads the codec."""
    return codec in (RAW, ZLIB) or (codec == ZSTD and (_zstd_module() or _zstd_library()) is not None)


def _expand_zlib(data: Bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise ChunkDamaged(f"it can't be expanded: {error}") from error


def _expand_zstd(data: Bytes, size: int) -> bytes:
    module = _zstd_module()
    try:
        found: bytes = module.ZstdDecompressor().decompress(data, size + 1)
    except module.ZstdError as error:
        raise ChunkDamaged(f"it can't be expanded: {error}") from error
    return found


def _expand_by_library(data: Bytes, size: int) -> bytes:
    """By the system's libzstd, which every dpkg-based image has. Source: zstd.h, ZSTD_decompress."""
    import ctypes

    library = _zstd_library()
    target, packed = ctypes.create_string_buffer(size + 1), bytes(data)
    written = library.ZSTD_decompress(target, size + 1, packed, len(packed))
    if library.ZSTD_isError(written):
        raise ChunkDamaged("it can't be expanded: zstd refuses it")
    return ctypes.string_at(target, written)


def _zstd_module() -> Any:
    """The module with zstd's `compress` and `ZstdDecompressor`, None where this Python has none."""
    if "module" not in _found:
        _found["module"] = _import_zstd()
    return _found["module"]


def _import_zstd() -> Any:
    import importlib

    for name in _ZSTD_MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _zstd_library() -> Any:
    """The system's libzstd, None where there is none."""
    if "library" not in _found:
        _found["library"] = _open_zstd_library()
    return _found["library"]


def _open_zstd_library() -> Any:
    import ctypes
    import ctypes.util

    library = _open_library("libzstd.so.1") or _open_library(ctypes.util.find_library("zstd"))
    if library is not None:
        library.ZSTD_decompress.restype = ctypes.c_size_t
        library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
        library.ZSTD_isError.argtypes = [ctypes.c_size_t]
    return library


def _open_library(name: str | None) -> Any:
    import ctypes

    try:
        return ctypes.CDLL(name) if name else None
    except OSError:
        return None
