"""Values come back as they were stored, cost what they must, and say what is wrong when they can't."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BackendMisconfigured, BackendUnavailable, ChunkDamaged, NotReadable, NotStorable
from penstock.storage import chunks, keys, mapping
from penstock.storage.artifacts import INLINE_BYTES, INLINE_TOGETHER_BYTES, Artifacts
from penstock_local.file_datastore import FileDatastore
from tests.unit.dict_datastore import DictDatastore

np = pytest.importorskip("numpy")
NOISE = os.urandom(9 << 20)


@pytest.fixture(params=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    """Artifacts over files, which are mapped, and over a store that has none."""
    return Artifacts(FileDatastore(str(tmp_path)) if request.param == "files" else DictDatastore())


def kept(store: Artifacts, value: object) -> Any:
    """The value as another process reads it."""
    row = json.loads(json.dumps(store.store("x", value)))
    return Artifacts(store.datastore).load("x", row)


class Point:
    def __init__(self, x: object) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.x == other.x

    __hash__ = None  # type: ignore[assignment]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=3000),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | inner.map(Point),
)


# ------------------------------------------------------------------------------------------- back again


@given(plain)
def test_plain_values(value: object) -> None:
    store = Artifacts(DictDatastore())
    row = store.store("x", value)
    assert store.load("x", json.loads(json.dumps(row))) == value
    assert store.store_again("x", store.load("x", row), row) is row
    assert Artifacts(DictDatastore()).store("x", value)["hash"] == row["hash"]


@pytest.mark.parametrize(
    "value",
    [
        NOISE,
        bytearray(NOISE),
        NOISE[: chunks.CHUNK_BYTES],
        bytes(9 << 20),
        "häß" * 3_000_000,
        [NOISE, "short", bytearray(NOISE[:70_000]), NOISE],
        {f"key {number}": [number, str(number)] for number in range(200_000)},
    ],
    ids=["bytes", "bytearray", "one chunk", "zeros", "text", "list", "dict"],
)
def test_large_values(store: Artifacts, value: object) -> None:
    back = kept(store, value)
    assert type(back) is type(value)
    assert back == value


ARRAYS: dict[str, Any] = {
    "short": np.arange(10.0),
    "one buffer": np.arange(10_000.0),
    "several chunks": np.random.default_rng(0).random(1_300_000),
    "zeros": np.zeros(1_300_000),
    "half zeros": np.concatenate([np.random.default_rng(0).random(600_000), np.zeros(700_000)]),
    "fortran": np.asfortranarray(np.random.default_rng(0).random((300, 3000))),
    "strided": np.random.default_rng(0).random((300, 3000))[::2, ::3],
    "single": np.array(3.5),
    "empty": np.zeros((0, 5)),
    "objects": np.array([None, "a", (1, 2)], dtype=object),
    "records": np.zeros(9000, dtype=[("a", "f8"), ("b", "U3")]),
    "times": np.arange(20_000).astype("datetime64[s]"),
    "big-endian": np.arange(20_000, dtype=">i4"),
    "bool": np.ones(100_000, dtype=bool),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays(store: Artifacts, array: Any) -> None:
    back = kept(store, array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert (back == array).all()
    back[...] = back  # it can be written to, wherever its memory is from
    assert back.flags.f_contiguous or not (array.flags.f_contiguous and array.ndim)


def test_arrays_inside_others(store: Artifacts) -> None:
    value = {"point": Point([np.arange(20_000.0)]), "same": (array := np.arange(30_000.0)), "again": array}
    back = kept(store, value)
    assert (back["point"].x[0] == np.arange(20_000.0)).all()
    assert back["same"] is back["again"]


def test_a_read_only_array_stays_so(store: Artifacts) -> None:
    array = np.arange(20_000.0)
    array.flags.writeable = False
    assert not kept(store, array).flags.writeable


def test_frames(store: Artifacts) -> None:
    pd = pytest.importorskip("pandas")
    rows = 40_000
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "price": np.random.default_rng(0).random(rows),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), unit="D") % pd.Timedelta("365D"),
            "kind": pd.Categorical(["a", "b"] * (rows // 2)),
            "name": [f"name {number}" for number in range(rows)],
        }
    )
    back = kept(store, frame)
    pd.testing.assert_frame_equal(back, frame)
    back["price"] += 1
    back.loc[3, "name"] = "other"
    pd.testing.assert_series_equal(kept(store, frame["day"]), frame["day"])


def test_a_mapped_array_is_changed_in_place_and_the_store_is_not(tmp_path: Path) -> None:
    store, array = Artifacts(FileDatastore(str(tmp_path))), np.random.default_rng(0).random(1_300_000)
    row = store.store("x", array)
    back = store.load("x", row)
    back += 1
    assert (back == array + 1).all()
    assert (store.load("x", row) == array).all()


@pytest.mark.skipif(not mapping.AVAILABLE, reason="files are mapped on Linux only")
def test_a_mapped_array_is_not_read(tmp_path: Path) -> None:
    opened: list[str] = []

    class Watched(FileDatastore):
        def open(self, key: str, start: int = 0, length: int | None = None) -> Any:
            opened.append(key)
            return super().open(key, start, length)

        def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            opened.append(key)
            return super().get(key, start, length)

    store = Artifacts(Watched(str(tmp_path)))
    row = store.store("x", np.random.default_rng(0).random(1_300_000))
    assert store.load("x", row)[-1] < 1
    assert opened == []


# ------------------------------------------------------------------------------------------------- rows


def test_a_row(store: Artifacts) -> None:
    row = store.store("x", 3)
    assert row == {
        "type": "int",
        "size": 5,
        "hash": row["hash"],
        "stream": {"size": 5, "inline": "gAVLAy4="},
        "preview": "3",
    }
    row = store.store("x", np.random.default_rng(0).random((1000, 1300)))
    assert (row["type"], row["preview"]) == ("numpy.ndarray", "1000 x 1300 float64")
    assert row["package"] == f"numpy {np.__version__}"
    assert row["size"] == row["stream"]["size"] + 1000 * 1300 * 8
    assert [len(part["chunks"]) for part in row["buffers"]] == [3]


def test_what_is_small_stands_in_the_record() -> None:
    datastore = DictDatastore()
    store = Artifacts(datastore)
    value = bytes(INLINE_BYTES - (store.store("x", bytes(900))["size"] - 900))
    rows = [Artifacts(datastore).store("x", value)] + [store.store("x", value) for _ in range(100)]
    assert rows[0]["size"] == INLINE_BYTES
    inline = [row for row in rows if "inline" in row["stream"]]
    assert len(inline) == 1 + INLINE_TOGETHER_BYTES // INLINE_BYTES - 1  # less the room that 900 bytes took
    assert "chunks" in Artifacts(datastore).store("x", value + b"x")["stream"]
    assert {store.load("x", row) for row in rows} == {value}


def test_the_hash_is_of_the_content_however_it_is_kept() -> None:
    class Distant(DictDatastore):
        compresses_from = 1.01

    for value in (3, bytes(9 << 20), NOISE, np.arange(1_000_000.0), {"a": np.zeros(20_000), "b": np.zeros(20_000)}):
        assert Artifacts(Distant()).store("x", value)["hash"] == Artifacts(DictDatastore()).store("x", value)["hash"]
    hashes = [
        Artifacts(DictDatastore()).store("x", value)["hash"]
        for value in (
            0,
            1,
            False,
            "0",
            [0],
            NOISE,
            NOISE[:-1],
            np.zeros(20_000),
            np.zeros(20_001),
            np.zeros(20_000, "i8"),
        )
    ]
    assert len(set(hashes)) == len(hashes)


# ------------------------------------------------------------------------------------------ stored again


def changed(value: Any) -> Any:
    if isinstance(value, dict):
        value["more"] = 1
    elif isinstance(value, list):
        value.append(1)
    elif isinstance(value, bytearray):
        value[-1] ^= 1
    else:
        value[-1] += 1
    return value


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        {"a": NOISE},
        bytearray(NOISE),
        np.arange(5.0),
        np.arange(20_000.0),
        np.random.default_rng(0).random(1_300_000),
    ],
    ids=["list", "dict", "bytearray", "short array", "array", "long array"],
)
def test_unchanged_it_is_the_same_row(store: Artifacts, value: Any) -> None:
    row = store.store("x", value)
    back = store.load("x", row)
    assert store.store_again("x", back, row) is row
    again = store.store_again("x", changed(back), row)
    assert again["hash"] != row["hash"]
    assert pickle.dumps(store.load("x", again)) == pickle.dumps(changed(store.load("x", row)))


def test_an_unchanged_value_leaves_the_room_for_others() -> None:
    store = Artifacts(DictDatastore())
    row = store.store("x", [1] * 100)
    for _ in range(1000):
        assert store.store_again("x", store.load("x", row), row) is row
    assert "inline" in store.store("y", [2] * 100)["stream"]


def test_what_pickles_differently_after_it_was_read_is_unchanged(store: Artifacts) -> None:
    for value in (
        {"a": repr("a text"), "b": "'a text'"},
        Point([{"a key": 1}, Point("a key")]),
        Shifty(0),
    ):
        row = store.store("x", value)
        assert store.store_again("x", store.load("x", row), row) is row


class Shifty:
    """Remembers in its pickle that it was read."""

    def __init__(self, was_read: int) -> None:
        self.was_read = was_read

    def __getstate__(self) -> dict[str, int]:
        return {"was_read": self.was_read}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.was_read = 1


def test_a_changed_element_costs_its_chunk() -> None:
    datastore = DictDatastore()
    store = Artifacts(datastore)
    row = store.store("x", np.random.default_rng(0).random(4 << 20))
    before = datastore.count("put")
    back = store.load("x", row)
    back[2 << 20] += 1
    store.store_again("x", back, row)
    assert datastore.count("put") == before + 1


# ---------------------------------------------------------------------------------------- pickled by value


def test_code_by_value(store: Artifacts) -> None:
    class Local:
        factor = 3

    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    for value in (lambda number: number * 3, Local):
        row = store.store("x", value)
        assert row["python"] == here
        back = store.load("x", row)
        assert (back.factor if isinstance(value, type) else back(1)) == 3
    assert "python" not in store.store("x", Point(1))


def test_another_python_refuses_code_by_value(store: Artifacts) -> None:
    row = {**store.store("f", lambda: 3), "python": "3.4"}
    with pytest.raises(
        NotReadable, match=r"'f' holds code that Python 3\.4 pickled by value; this is Python 3"
    ) as caught:
        store.load("f", row)
    assert "3.4" in caught.value.hint


# ------------------------------------------------------------------------------------------ not storable


def test_what_can_not_be_stored_is_named(store: Artifacts) -> None:
    for value, path in (
        (threading.Lock(), "self.x"),
        ({"large": np.zeros(1_000_000), "model": Point(threading.Lock())}, "self.x['model'].x"),
        ((number for number in ()), "self.x"),
    ):
        with pytest.raises(NotStorable) as caught:
            store.store("x", value)
        assert caught.value.message.startswith(f"{path} can't be stored")
    with open(os.devnull) as file, pytest.raises(NotStorable, match=r"self\.x\.x can't be stored: .*TextIOWrapper"):
        store.store("x", Point(file))


def test_too_deep(store: Artifacts) -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotStorable, match="nested too deeply"):
        store.store("x", value)
    while value:  # freed one by one: the interpreter's own way is as deep
        value = value.pop()


def test_recursive(store: Artifacts) -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    back = kept(store, value)
    assert back["self"] is back


def test_a_property_that_raises_is_not_asked(store: Artifacts) -> None:
    assert kept(store, Touchy(3)).held == 3


class Touchy:
    def __init__(self, held: int) -> None:
        self.held = held

    @property
    def trouble(self) -> int:
        raise AssertionError("asked")


@pytest.mark.parametrize(
    "value", [NOISE, np.random.default_rng(0).random(20_000), [1] * 2000], ids=["stream", "buffer", "last"]
)
def test_the_stores_trouble_is_not_the_values(value: object) -> None:
    class Full(DictDatastore):
        def put(self, key: str, data: Any, *, replace: bool = False) -> bool:
            raise BackendMisconfigured("no space left")

    with pytest.raises(BackendMisconfigured, match="no space left"):
        Artifacts(Full()).store("x", value)


# ------------------------------------------------------------------------------------------ not readable


def module(name: str, source: str) -> types.ModuleType:
    made = types.ModuleType(name)
    exec(source, made.__dict__)
    sys.modules[name] = made
    return made


@pytest.fixture
def models() -> Iterator[types.ModuleType]:
    """A package of somebody else's."""
    yield module("somebodys", "__version__ = '1.5'\nclass Model:\n    pass\n")
    sys.modules.pop("somebodys", None)


def test_a_package_that_is_not_here(store: Artifacts, models: types.ModuleType) -> None:
    row = store.store("model", models.Model())
    assert row["package"] == "somebodys 1.5"
    del sys.modules["somebodys"]
    with pytest.raises(
        NotReadable, match=r"'model' of type somebodys\.Model .*written with somebodys 1\.5, here is none"
    ) as caught:
        store.load("model", row)
    assert "somebodys" in caught.value.hint


def test_a_class_that_is_gone(store: Artifacts, models: types.ModuleType) -> None:
    row = store.store("model", models.Model())
    module("somebodys", "__version__ = '2.0'")
    with pytest.raises(NotReadable, match=r"Model.*written with somebodys 1\.5, here is 2\.0") as caught:
        store.load("model", row)
    assert "class has gone" in caught.value.hint


def test_a_class_that_changed(store: Artifacts, models: types.ModuleType) -> None:
    row = store.store("model", models.Model())
    module("somebodys", "class Model:\n    def __new__(cls): raise ValueError('not so')")
    with pytest.raises(NotReadable, match="ValueError: not so"):
        store.load("model", row)


@pytest.mark.parametrize(
    "value", [NOISE, NOISE[:5000], np.random.default_rng(0).random(1_300_000)], ids=["stream", "one", "buffer"]
)
@pytest.mark.parametrize("damage", ["gone", "flipped", "cut"])
def test_damage_names_artifact_key_and_what_to_do(value: Any, damage: str) -> None:
    datastore = DictDatastore()
    row = Artifacts(datastore).store("pets", value)
    part = row.get("buffers", [row["stream"]])[0]
    key = keys.chunk(part["chunks"][-1])
    data = datastore.objects[key]
    if damage == "gone":
        del datastore.objects[key]
    else:
        datastore.objects[key] = data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(ChunkDamaged, match=f"'pets': .*{key}") as caught:
        Artifacts(datastore).load("pets", row)
    assert caught.value.hint.startswith("flow resume")


def test_mapped_damage_is_found_when_asked_for(tmp_path: Path) -> None:
    datastore = FileDatastore(str(tmp_path))
    row = Artifacts(datastore).store("x", np.random.default_rng(0).random(1_300_000))
    path = tmp_path / keys.chunk(row["buffers"][0]["chunks"][1])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ChunkDamaged, match=path.name):
        Artifacts(datastore, verify=True).load("x", row)
    path.write_bytes(b"short")
    with pytest.raises(ChunkDamaged, match=path.name):
        Artifacts(datastore).load("x", row)


def test_a_store_that_does_not_answer_is_said_so() -> None:
    class Silent(DictDatastore):
        def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            raise BackendUnavailable("not now")

    store = Artifacts(Silent())
    row = store.store("x", NOISE[:5000])
    with pytest.raises(BackendUnavailable, match="not now"):
        store.load("x", row)


# ---------------------------------------------------------------------------------------- foreach items


@given(st.lists(plain, max_size=30))
def test_items(items: list[object]) -> None:
    store = Artifacts(DictDatastore())
    row, count = store.store_items(iter(items))
    row = json.loads(json.dumps(row))
    assert count == row["count"] == len(items)
    assert [store.load_item(row, number) for number in range(count)] == items


def test_items_of_a_large_bundle_are_read_alone() -> None:
    datastore = DictDatastore()
    store = Artifacts(datastore)
    row, count = store.store_items(bytes([number % 256]) * 200_000 for number in range(100))
    assert (count, len(row["stream"]["chunks"])) == (100, 5)
    read: list[int] = []

    class Counting(DictDatastore):
        def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            data = super().get(key, start, length)
            read.append(len(data))
            return data

    other = Counting()
    other.objects = datastore.objects
    assert Artifacts(other).load_item(row, 77) == bytes([77]) * 200_000
    assert sum(read) < 201_000


def test_a_small_bundle_is_one_request() -> None:
    datastore = DictDatastore()
    store = Artifacts(datastore)
    row, _ = store.store_items(range(2000))
    assert row["size"] > 30_000
    assert store.load_item(row, 1234) == 1234
    assert datastore.count("open") == 1


def test_items_are_taken_one_by_one() -> None:
    store = Artifacts(DictDatastore())
    tracemalloc.start()
    try:
        _, count = store.store_items(bytes([number]) + NOISE[: 1 << 20] for number in range(40))
        held = sum(len(data) for data in store.datastore.objects.values())  # type: ignore[attr-defined]
        assert count == 40
        assert tracemalloc.get_traced_memory()[1] < held + (30 << 20)
    finally:
        tracemalloc.stop()


def test_an_item_that_can_not_be_stored_is_named(store: Artifacts) -> None:
    with pytest.raises(NotStorable, match=r"item 2\[0\] can't be stored"):
        store.store_items([1, 2, [threading.Lock()]])


def test_items_by_value(store: Artifacts) -> None:
    row, _ = store.store_items([1, lambda: 3])
    assert store.load_item(row, 1)() == 3
    with pytest.raises(NotReadable, match=r"item 1 of the foreach holds code that Python 3\.4 pickled"):
        store.load_item({**row, "python": "3.4"}, 1)


def test_a_damaged_item_is_never_a_wrong_value() -> None:
    datastore = DictDatastore()
    row, count = Artifacts(datastore).store_items(range(30_000))
    (key,) = datastore.objects
    data = datastore.objects[key]
    for at in (0, 7 * 5 + 2, len(data) // 2, len(data) - 40, len(data) - 20, len(data) - 3):
        datastore.objects[key] = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        for number in (0, 4, 15_000, count - 1):
            try:
                assert Artifacts(datastore).load_item(row, number) == number
            except ChunkDamaged as error:
                assert f"item {number} of the foreach" in error.message


# -------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize(
    "value", [NOISE * 8, bytearray(NOISE * 8), "x" * (72 << 20)], ids=["bytes", "bytearray", "text"]
)
def test_a_large_value_is_not_copied(tmp_path: Path, value: Any) -> None:
    store = Artifacts(FileDatastore(str(tmp_path)))
    tracemalloc.start()
    try:
        row = store.store("x", value)
        copies = isinstance(value, str)  # as UTF-8, which is how pickle writes it
        assert tracemalloc.get_traced_memory()[1] < copies * len(value) + (32 << 20)
        tracemalloc.reset_peak()
        back = store.load("x", row)
        assert tracemalloc.get_traced_memory()[1] < (1 + copies) * len(value) + (32 << 20)
    finally:
        tracemalloc.stop()
    assert back == value


def test_a_trivial_value_loads_no_machinery() -> None:
    """A task that only counts pays for nothing that large values need."""
    source = """
import sys
from penstock.storage.artifacts import Artifacts
from penstock_local.file_datastore import FileDatastore
store = Artifacts(FileDatastore(sys.argv[1]))
for value in (3, [1, 2, 3], "text", {"a": 1.5}, None, b"bytes"):
    row = store.store("x", value)
    back = store.load("x", row)
    assert back == value
    assert store.store_again("x", back, row) is row
    store.load_item(store.store_items([value])[0], 0)
print(*sorted({"ctypes", "threading", "cloudpickle", "compression", "backports.zstd", "numpy", "inspect", "typing",
               "dataclasses"} & set(sys.modules)))
"""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-S", "-c", source, os.devnull + "/no-folder"],
        env={"PYTHONPATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == []


def test_numbers_of_the_format() -> None:
    """What version 1 wrote was cut by these; docs/format.md names them."""
    assert (chunks.CHUNK_BYTES, chunks.LONGEST_LIST) == (4 << 20, 100)
