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
_ZSTD_LEVEL = 1  # 4 to 8 times as fast as gzip 3 with a ratio as good or better (measured, docs/format.md)
_ZLIB_LEVEL = 1

_zstd_module: Any = None
_zstd_known = False


def _zstd() -> Any:
    """The module with zstd's `compress` and `decompress`, None where this Python has none. Looked for once."""
    global _zstd_module, _zstd_known
    if not _zstd_known:
        _zstd_known = True
        for name in ("compression.zstd", "backports.zstd"):
            try:
                import importlib

                _zstd_module = importlib.import_module(name)
                break
            except ImportError:
                continue
    return _zstd_module


def choose(data: Bytes, least_gain: float) -> str:
    """The codec that pays for this chunk: RAW unless a sample shrinks by the factor `least_gain`."""
    size = len(data)
    if size < _SMALLEST_BYTES:
        return RAW
    middle = max(0, (size - _SAMPLE_BYTES) // 2)
    sample = memoryview(data)[middle : middle + _SAMPLE_BYTES]
    codec = ZSTD if _zstd() is not None else ZLIB
    return codec if len(sample) / len(compress(codec, sample)) >= least_gain else RAW


def compress(codec: str, data: Bytes) -> Bytes:
    """The compressed bytes. Raises ValueError for a codec that can't be written here."""
    if codec == RAW:
        return data
    if codec == ZLIB:
        return zlib.compress(data, _ZLIB_LEVEL)
    if codec == ZSTD and _zstd() is not None:
        packed: bytes = _zstd().compress(data, _ZSTD_LEVEL)
        return packed
    raise ValueError(f"codec {codec!r} can't be written here")


def expand(codec: str, data: Bytes, size: int) -> Bytes:
    """The original `size` bytes, never more, whatever the stored bytes claim.

    Raises ChunkDamaged when they are not these, NotReadable when this Python has no such codec.
    """
    if codec == RAW:
        found: Bytes = data
    elif codec == ZLIB:
        found = _expand_zlib(data, size)
    elif codec == ZSTD:
        found = _expand_zstd(data, size)
    else:
        raise NotReadable(f"codec {codec!r} is of a later version", hint="pip install --upgrade penstock")
    if len(found) != size:
        raise ChunkDamaged(f"a chunk expands to {len(found)} bytes, not to {size}")
    return found


def _expand_zlib(data: Bytes, size: int) -> bytes:
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(data, size + 1)
    except zlib.error as error:
        raise ChunkDamaged(f"a chunk can't be expanded: {error}") from error
    return found


def _expand_zstd(data: Bytes, size: int) -> bytes:
    module = _zstd()
    if module is not None:
        try:
            found: bytes = module.ZstdDecompressor().decompress(data, size + 1)
        except module.ZstdError as error:
            raise ChunkDamaged(f"a chunk can't be expanded: {error}") from error
        return found
    return _expand_by_library(data, size)


def can_read(codec: str) -> bool:
    """Whether this Python, or a library of its system, reads the codec."""
    return codec in (RAW, ZLIB) or _zstd() is not None or _library() is not None


def _expand_by_library(data: Bytes, size: int) -> bytes:
    """By the system's libzstd, which every dpkg-based image has. Source: zstd.h, ZSTD_decompress."""
    import ctypes

    library = _library()
    if library is None:
        raise NotReadable(
            "this Python has no zstd, which the artifact is compressed with",
            hint="pip install backports.zstd   # or Python 3.14, or libzstd1 in the image",
        )
    buffer = ctypes.create_string_buffer(size + 1)
    packed = bytes(data)
    written = library.ZSTD_decompress(buffer, size + 1, packed, len(packed))
    if library.ZSTD_isError(written):
        raise ChunkDamaged("a chunk can't be expanded: zstd refuses it")
    return buffer.raw[:written]


def _library() -> Any:
    import ctypes
    import ctypes.util

    for name in ("libzstd.so.1", ctypes.util.find_library("zstd")):
        if name is None:
            continue
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.ZSTD_decompress.restype = ctypes.c_size_t
        library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
        library.ZSTD_isError.argtypes = [ctypes.c_size_t]
        return library
    return None
