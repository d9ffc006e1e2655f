"""Codecs: what goes in comes out, what does not pay stays raw, and no stored byte takes more memory than it may."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ChunkDamaged, NotReadable
from penstock.storage import compression
from penstock.storage.compression import CODECS, RAW, ZLIB, ZSTD

WRITTEN = [codec for codec in CODECS if codec != ZSTD or compression._zstd_module() is not None]
ZEROS, NOISE = bytes(1 << 20), os.urandom(1 << 20)
HAS_LIBRARY = compression._zstd_library() is not None
needs_zstd = pytest.mark.skipif(ZSTD not in WRITTEN, reason="this Python writes no zstd")


@pytest.fixture
def without_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Python before 3.14 that has no backports.zstd."""
    monkeypatch.setitem(compression._found, "module", None)


@given(st.sampled_from(WRITTEN), st.binary(max_size=5000))
def test_what_goes_in_comes_out(codec: str, data: bytes) -> None:
    assert bytes(compression.expand(codec, compression.compress(codec, data), len(data))) == data


@pytest.mark.parametrize(
    ("data", "least_gain", "pays"),
    [
        (b"", 2.0, False),
        (ZEROS[:4095], 2.0, False),  # a block of the file system is used up anyway
        (ZEROS[:4096], 2.0, True),
        (ZEROS, 2.0, True),
        (NOISE, 1.2, False),
        (NOISE + ZEROS + NOISE, 2.0, True),  # the sample is taken from the middle
        (bytes(byte & 15 for byte in NOISE), 1.2, True),  # half of each byte is empty: it gains a factor of about 2 ...
        (bytes(byte & 15 for byte in NOISE), 3.0, False),  # ... and not 3
    ],
)
def test_compressed_where_it_pays(data: bytes, least_gain: float, pays: bool) -> None:
    assert compression.choose(data, least_gain) == (WRITTEN[-1] if pays else RAW)


@pytest.mark.usefixtures("without_module")
def test_without_zstd_zlib_is_written() -> None:
    assert compression.choose(ZEROS, 2.0) == ZLIB
    with pytest.raises(ValueError, match="zstd"):
        compression.compress(ZSTD, ZEROS)


def spoilt(data: bytes) -> bytes:
    return data[:4] + bytes(byte ^ 255 for byte in data[4:12]) + data[12:]


@pytest.mark.parametrize("codec", WRITTEN)
@pytest.mark.parametrize("change", ["cut", "spoilt", "other size", "nothing"])
def test_what_is_not_the_chunk_is_refused(codec: str, change: str) -> None:
    data = bytes(range(256)) * 40
    packed = bytes(compression.compress(codec, data))
    size = len(data)
    if change == "cut":
        packed = packed[:-9]
    elif change == "spoilt":
        packed = spoilt(packed)
    elif change == "other size":
        size += 1
    else:
        packed = b""
    if codec == RAW and change == "spoilt":
        return  # of the right size: the hash tells, not the codec
    with pytest.raises(ChunkDamaged):
        compression.expand(codec, packed, size)


@pytest.mark.parametrize("codec", [codec for codec in WRITTEN if codec != RAW])
def test_a_bomb_takes_no_memory(codec: str) -> None:
    bomb = compression.compress(codec, bytes(200 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ChunkDamaged):
            compression.expand(codec, bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_codec_of_a_later_version() -> None:
    with pytest.raises(NotReadable, match="'lzma9' is of a later version") as caught:
        compression.expand("lzma9", b"x", 1)
    assert "upgrade" in caught.value.hint
    assert not compression.can_read("lzma9")


@needs_zstd
@pytest.mark.skipif(not HAS_LIBRARY, reason="this system has no libzstd")
def test_the_systems_library_reads_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = bytes(compression.compress(ZSTD, ZEROS))
    monkeypatch.setitem(compression._found, "module", None)
    assert compression.can_read(ZSTD)
    assert compression.expand(ZSTD, packed, len(ZEROS)) == ZEROS
    for wrong in (packed[:-3], spoilt(packed), b""):
        with pytest.raises(ChunkDamaged):
            compression.expand(ZSTD, wrong, len(ZEROS))
    with pytest.raises(ChunkDamaged):
        compression.expand(ZSTD, packed, len(ZEROS) - 1)


@pytest.mark.usefixtures("without_module")
def test_nothing_that_reads_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compression._found, "library", None)
    assert not compression.can_read(ZSTD)
    with pytest.raises(NotReadable, match="zstd") as caught:
        compression.expand(ZSTD, b"x", 1)
    assert "pip install backports.zstd" in caught.value.hint
