"""Parts: any bytes written in any pieces, read in any pieces, stored once, and refused when they are damaged."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.reach import Reach
from penstock.errors import ChunkDamaged
from penstock.storage import chunks, keys, mapping
from penstock.storage.chunks import DEFERRED_BYTES, TOUCH_AFTER_S, ChunkStore
from penstock_local.file_datastore import FileDatastore
from tests.unit.dict_datastore import DictDatastore

CHUNK = 8192  # a multiple of the page size; the real one would make each example 4 MiB


@pytest.fixture(autouse=True, scope="module")
def _short_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", CHUNK)
        yield


def written(store: ChunkStore, *pieces: bytes, compress: bool = True) -> dict[str, Any]:
    writer = store.writer(compress=compress)
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    part = writer.finish()
    assert part is writer.finish()
    assert writer.size == part["size"]
    return part


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


# Pieces of bytes around the edges of chunks, some of them compressible.
sizes = st.one_of(st.integers(0, 20), st.integers(CHUNK - 2, CHUNK + 2), st.integers(0, 4 * CHUNK))
pieces = st.lists(
    st.tuples(sizes, st.booleans()).map(lambda made: bytes(made[0]) if made[1] else noise(made[0])), max_size=6
)


@given(pieces)
def test_the_way_of_writing_does_not_matter(data: list[bytes]) -> None:
    store = ChunkStore(DictDatastore())
    assert written(store, *data) == written(store, b"".join(data))


@given(pieces, st.booleans())
def test_all_ways_of_reading(data: list[bytes], compress: bool) -> None:
    store, whole = ChunkStore(DictDatastore()), b"".join(data)
    part = json.loads(json.dumps(written(store, whole, compress=compress)))
    if whole:
        assert bytes(store.read(part)) == whole
        assert bytes(store.copy(part)) == whole
    assert store.reader(part).read() == whole
    assert store.map(part) is None  # no files here


@given(pieces, st.lists(st.integers(0, 3 * CHUNK), min_size=1), st.booleans())
def test_a_reader_in_steps(data: list[bytes], steps: list[int], compress: bool) -> None:
    store, whole = ChunkStore(DictDatastore()), b"".join(data)
    reader, at = store.reader(written(store, whole, compress=compress)), 0
    for number, step in enumerate(steps):
        shown = reader.peek(10)
        assert whole[at:].startswith(shown)
        assert bool(shown) == (at < len(whole))
        if number % 2:
            assert reader.read(step) == whole[at : at + step]
        else:
            target = bytearray(step)
            assert reader.readinto(target) == len(whole[at : at + step])
            assert target.startswith(whole[at : at + step])
        at = min(len(whole), at + step)


@given(pieces, st.data(), st.booleans())
def test_ranges(data: list[bytes], draw: st.DataObject, compress: bool) -> None:
    store, whole = ChunkStore(DictDatastore()), b"".join(data)
    part = written(store, whole, compress=compress)
    start = draw.draw(st.integers(0, len(whole)))
    length = draw.draw(st.integers(0, len(whole) - start))
    assert store.read_range(part, start, length) == whole[start : start + length]


def test_lines() -> None:
    store = ChunkStore(DictDatastore())
    reader = store.reader(written(store, b"one\n\ntwo"))
    assert [reader.readline() for _ in range(4)] == [b"one\n", b"\n", b"two", b""]


@given(st.binary(max_size=1000))
def test_inline(data: bytes) -> None:
    store, part = ChunkStore(DictDatastore()), json.loads(json.dumps(chunks.inline(data)))
    assert store.read(part) == data
    assert store.read_range(part, 3, 5) == data[3:8]
    assert store.map(part) is None


def test_a_long_list_is_a_chunk_itself() -> None:
    datastore = DictDatastore()
    store, data = ChunkStore(datastore), noise(101 * CHUNK - 1)
    assert "chunks" in written(store, data[: 100 * CHUNK])
    part = written(store, data)
    assert part.keys() == {"size", "list"}
    reader = ChunkStore(datastore)
    assert bytes(reader.read(part)) == data
    opened = datastore.count("open")
    assert reader.read_range(part, 5, 7) == data[5:12]
    assert datastore.count("open") == opened + 1  # the list is not read again
    assert ChunkStore(datastore).reader(part).read() == data


@pytest.mark.parametrize("number", [1, 100])
def test_a_list_that_can_not_be_the_parts(number: int) -> None:
    store = ChunkStore(DictDatastore())
    part = written(store, noise(number * CHUNK))
    with pytest.raises(ChunkDamaged, match="can't hold"):
        store.read({**part, "size": part["size"] + 1})


# ------------------------------------------------------------------------------------------- stored once


def test_equal_chunks_are_stored_once_and_a_change_costs_one() -> None:
    datastore = DictDatastore()
    store, data = ChunkStore(datastore), bytearray(noise(10 * CHUNK))
    written(store, data)
    assert datastore.count("put") == 10
    written(store, data)
    assert datastore.count("put") == 10
    data[5 * CHUNK + 7] ^= 1
    written(store, data)
    assert datastore.count("put") == 11


def test_the_content_is_the_same_however_it_is_compressed() -> None:
    writers = [ChunkStore(DictDatastore()).writer(compress=compress) for compress in (True, False)]
    for writer in writers:
        writer.write(bytes(3 * CHUNK + 1))
    packed, raw = writers
    assert packed.content() == raw.content()
    assert packed.finish() != raw.finish()
    chunk, rest = (hashlib.sha256(bytes(size)).hexdigest() for size in (CHUNK, 1))
    assert packed.content().decode() == f"{3 * CHUNK + 1} {chunk} {chunk} {chunk} {rest}"


@pytest.mark.parametrize(("age_s", "young_again"), [(0.0, False), (23 * 3600.0, False), (25 * 3600.0, True)])
def test_an_old_chunk_that_is_used_again_is_made_young(age_s: float, young_again: bool) -> None:
    datastore = DictDatastore()
    (name,) = written(ChunkStore(datastore), b"data")["chunks"]
    key = keys.chunk(name)
    datastore.ages_s[key] = age_s
    written(ChunkStore(datastore), b"data")
    assert (datastore.ages_s[key] == 0.0) == (young_again or age_s == 0.0)


def test_an_old_chunk_that_is_collected_meanwhile_is_written_again() -> None:
    class Collected(DictDatastore):
        def touch(self, key: str) -> None:
            self.delete([key])  # gc was quicker
            super().touch(key)

    datastore = Collected()
    (name,) = written(ChunkStore(datastore), b"data")["chunks"]
    datastore.ages_s[keys.chunk(name)] = 25 * 3600.0
    written(ChunkStore(datastore), b"data")
    assert datastore.objects[keys.chunk(name)] == b"data"


# ------------------------------------------------------------------------------------------------ mapped

needs_mapping = pytest.mark.skipif(not mapping.AVAILABLE, reason="files are mapped on Linux only")


@needs_mapping
@given(pieces)
def test_mapped_bytes_are_the_same(tmp_path_factory: pytest.TempPathFactory, data: list[bytes]) -> None:
    store, whole = (
        ChunkStore(FileDatastore(str(tmp_path_factory.getbasetemp() / "mapped")), verify=True),
        b"".join(data),
    )
    part = written(store, whole)
    view = store.map(part)
    assert (view is None) == (not any(name.endswith(".raw") for name in part["chunks"]))
    if view is not None:
        assert bytes(view) == whole
        view[0] = 255 - view[0]
        assert bytes(store.copy(part)) == whole


@needs_mapping
def test_compressed_chunks_are_expanded_among_mapped_ones(tmp_path: Path) -> None:
    store = ChunkStore(FileDatastore(str(tmp_path)))
    whole = noise(CHUNK) + bytes(CHUNK) + noise(CHUNK) + bytes(5000)
    part = written(store, whole)
    assert [name.endswith(".raw") for name in part["chunks"]] == [True, False, True, False]
    assert bytes(store.map(part) or b"") == whole


# ----------------------------------------------------------------------------------------------- damaged

WAYS: dict[str, Callable[[ChunkStore, dict[str, Any]], object]] = {
    "read": lambda store, part: store.read(part),
    "copy": lambda store, part: store.copy(part),
    "reader": lambda store, part: store.reader(part).read(),
    "map": lambda store, part: store.map(part),
    "range": lambda store, part: store.read_range(part, 0, part["size"]),
}
DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


# Left out: a range of a raw chunk is checked by who asks for it; what follows a compressed chunk is not read; only
# parts with a raw chunk are mapped.
UNSEEN = {
    *(("map", damage, True) for damage in DAMAGES),
    *((way, "longer", True) for way in WAYS),
    *(("range", damage, False) for damage in ("longer", "flipped", "zeros")),
    *(() if mapping.AVAILABLE else (("map", damage, False) for damage in DAMAGES)),
}


@pytest.mark.parametrize(
    ("way", "damage", "compressible"),
    [case for case in itertools.product(WAYS, DAMAGES, (False, True)) if case not in UNSEEN],
)
@pytest.mark.parametrize("number", [1, 3])
def test_damage_is_named(tmp_path: Path, way: str, damage: str, number: int, compressible: bool) -> None:
    store = ChunkStore(FileDatastore(str(tmp_path)), verify=True)
    data = (b"%d" % number * number * CHUNK)[: number * CHUNK] if compressible else noise(number * CHUNK)
    part = written(store, data)
    key = keys.chunk(part["chunks"][-1])
    os.chmod(tmp_path / key, 0o600)
    DAMAGES[damage](tmp_path / key)
    with pytest.raises(ChunkDamaged, match=key.rpartition("/")[2]):
        WAYS[way](store, part)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_list_is_named(tmp_path: Path, damage: str) -> None:
    store = ChunkStore(FileDatastore(str(tmp_path)))
    part = written(store, noise(101 * CHUNK))
    DAMAGES[damage](tmp_path / keys.chunk(part["list"]))
    with pytest.raises(ChunkDamaged, match=part["list"]):
        store.read(part)


# ----------------------------------------------------------------------------------------------- threads


@given(st.lists(st.integers(), max_size=20))
def test_results_in_order_and_no_thread_left(numbers: list[int]) -> None:
    before = threading.active_count()
    assert chunks.in_parallel(lambda number: -number, [(number,) for number in numbers]) == [
        -number for number in numbers
    ]
    assert threading.active_count() == before


@given(st.integers(0, 9))
def test_a_failure_comes_back(bad: int) -> None:
    def work(number: int) -> int:
        if number == bad:
            raise KeyError(number)
        return number

    before = threading.active_count()
    with pytest.raises(KeyError, match=str(bad)):
        chunks.in_parallel(work, [(number,) for number in range(10)])
    assert threading.active_count() == before


def test_one_piece_takes_no_thread() -> None:
    def work(number: int) -> str:
        assert number == 1
        return threading.current_thread().name

    assert chunks.in_parallel(work, [(1,)]) == [threading.current_thread().name]


# --------------------------------------------------------------------------------------- small ones, far away


@pytest.fixture
def store() -> DictDatastore:
    return DictDatastore()


@pytest.fixture
def far(store: DictDatastore, monkeypatch: pytest.MonkeyPatch) -> ChunkStore:
    store.reach = Reach.ANYWHERE
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 4 << 20)
    return ChunkStore(store, defers=True)


def test_small_chunks_of_a_store_far_away_are_written_together_with_one_call_each(
    store: DictDatastore, far: ChunkStore
) -> None:
    pieces = [b"%d" % number * 1000 for number in range(20)]
    names = [far.put(piece, compress=False) for piece in pieces]
    assert store.calls == []
    far.flush()
    assert sorted(store.calls) == sorted(("put", keys.chunk(name)) for name in names)
    assert [store.get(keys.chunk(name)) for name in names] == pieces
    far.flush()
    assert sum(call == "put" for call, _ in store.calls) == 20


def test_what_waits_is_a_copy_and_can_be_read(
    store: DictDatastore, far: ChunkStore
) -> None:
    memory = bytearray(b"first" * 100)
    name = far.put(memory, compress=False)
    memory[:5] = b"later"
    assert far.fetch(name, 500) == b"first" * 100
    assert keys.chunk(name) in store.objects


def test_more_than_a_chunk_of_small_ones_does_not_wait(
    store: DictDatastore, far: ChunkStore
) -> None:
    for number in range(17):
        far.put(number.to_bytes(1, "big") * DEFERRED_BYTES, compress=False)
    assert len(store.objects) == 17


def test_one_that_stands_there_is_made_young_when_it_is_old(
    store: DictDatastore, far: ChunkStore
) -> None:
    name = far.put(b"x" * 2000, compress=False)
    far.flush()
    store.ages_s[keys.chunk(name)] = 2 * TOUCH_AFTER_S
    far.put(b"x" * 2000, compress=False)
    far.flush()
    assert store.ages_s[keys.chunk(name)] == 0.0
