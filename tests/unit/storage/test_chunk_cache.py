"""Copies of chunks: found, checked, taken away by age, shared by processes, never a reason to fail."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest

from penstock.contracts.reach import Reach
from penstock.storage import keys, mapping
from penstock.storage.artifacts import Artifacts
from penstock.storage.chunk_cache import ChunkCache
from penstock.testing.children import in_children
from tests.unit.dict_datastore import DictDatastore


def chunk(number: int, size: int = 1000) -> tuple[str, bytes]:
    data = number.to_bytes(4, "big") * (size // 4)
    return f"{hashlib.sha256(data).hexdigest()}.raw", data


@pytest.fixture
def cache(tmp_path: Path) -> ChunkCache:
    return ChunkCache(str(tmp_path / "cache"), 1)


def test_what_was_kept_is_found_by_others(cache: ChunkCache) -> None:
    name, data = chunk(1)
    assert cache.get(name) is None
    path = cache.keep(name, memoryview(data))
    other = ChunkCache(cache.folder, 1)
    assert other.path(name) == path
    assert other.get(name) == data
    assert os.stat(cache.folder).st_mode & 0o077 == 0
    other.drop(name)
    assert cache.get(name) is None
    cache.drop(name)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "a" * 64, f"{'a' * 64}.raw/x", f"{'A' * 64}.raw", f"{'a' * 64}.raw\n"]
)
def test_other_names_lead_nowhere(cache: ChunkCache, name: str) -> None:
    assert cache.keep(name, b"x") is None
    assert cache.get(name) is None
    assert not Path(cache.folder).exists()


def test_the_oldest_go_when_there_is_no_room(cache: ChunkCache) -> None:
    made = [chunk(number, 100_000) for number in range(14)]
    for number, (name, data) in enumerate(made):
        path = cache.keep(name, data)
        assert path is not None
        os.utime(path, (1_000_000 + number, 1_000_000 + number))
        cache.path(made[0][0])  # used again and again: it is the youngest
    left = [number for number, (name, _) in enumerate(made) if cache.get(name) is not None]
    assert 0 in left and 1 not in left
    assert left[1:] == list(range(left[1], 14))
    assert sum(path.stat().st_size for path in Path(cache.folder).rglob("*.raw")) <= cache.limit_bytes
    assert cache.keep(*chunk(99, 2_000_000)) is None, "larger than all of it"


def test_a_disk_that_does_not_work_is_a_cache_without_copies(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cache = ChunkCache(str(tmp_path / "file" / "cache"), 1)
    name, data = chunk(1)
    assert cache.keep(name, data) is None
    assert cache.get(name) is None


def test_processes_share_it(cache: ChunkCache) -> None:
    def work(number: int) -> bool:
        mine = ChunkCache(cache.folder, 1)
        for turn in range(60):
            name, data = chunk((turn * 7 + number) % 20, 100_000)
            found = mine.get(name)
            assert found in (None, data)
            mine.keep(name, data)
        return True

    assert in_children(4, work) == [True] * 4
    assert not list(Path(cache.folder).glob("part-*"))


# ------------------------------------------------------------------------------------- artifacts through it


class Buffers:
    """A value whose bytes lie beside its pickle, as an array's do."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self.data = data

    def __reduce_ex__(self, _: object) -> object:
        return Buffers, (pickle.PickleBuffer(self.data),)


@pytest.mark.parametrize("size", [3_000_000, 100_000, 500])
def test_a_second_load_asks_the_store_for_nothing(tmp_path: Path, size: int) -> None:
    store, cache = DictDatastore(), ChunkCache(str(tmp_path), 100)
    store.reach = Reach.ANYWHERE
    value = Buffers(hashlib.shake_128(b"noise").digest(size))
    writer = Artifacts(store)
    row = writer.store("value", value)
    writer.flush()
    for turn in range(3):
        store.calls.clear()
        reader = Artifacts(store, cache=cache)
        assert bytes(reader.load("value", row).data) == value.data
        assert bool(store.calls) == (turn == 0 and size > 1000)


def test_a_large_value_is_mapped_from_its_copies(tmp_path: Path) -> None:
    if not mapping.AVAILABLE:
        pytest.skip("memory of files is mapped on Linux alone")
    store, cache = DictDatastore(), ChunkCache(str(tmp_path), 100)
    store.reach = Reach.ANYWHERE
    row = Artifacts(store).store("value", Buffers(bytearray(hashlib.shake_128(b"noise").digest(9_000_000))))
    data = Artifacts(store, cache=cache).load("value", row).data
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    memory = memoryview(data)
    first = memory[0]
    memory[0] = first ^ 1
    assert memoryview(Artifacts(store, cache=cache).load("value", row).data)[0] == first, "what one changes is its own"


def test_a_damaged_copy_is_fetched_again(tmp_path: Path) -> None:
    store, cache = DictDatastore(), ChunkCache(str(tmp_path), 100)
    store.reach = Reach.ANYWHERE
    value = Buffers(hashlib.shake_128(b"noise").digest(200_000))
    row = Artifacts(store).store("value", value)
    Artifacts(store).flush()
    for name in row["buffers"][0]["chunks"]:
        store.put(keys.chunk(name), value.data)
    for damage in (b"", b"short", b"\0" * 200_000):
        Artifacts(store, cache=cache).load("value", row)
        for path in tmp_path.rglob("*.raw"):
            path.write_bytes(damage)
        assert bytes(Artifacts(store, cache=cache).load("value", row).data) == value.data
