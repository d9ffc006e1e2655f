"""The catalogue over any datastore, its index, and how another catalogue is made again from it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from penstock.contracts.metadata import RunRow
from penstock.errors import BackendUnavailable
from penstock.storage import keys, records, tags
from penstock.storage.catalogue import DatastoreCatalogue, flow_names, read_index, rebuild, write_index
from penstock.values import FAILED, SUCCEEDED, Record
from penstock_local.file_datastore import FileDatastore
from penstock_local.sqlite_metadata import SqliteMetadata
from tests.unit.dict_datastore import DictDatastore

LONG = "Фл" * 40  # quoted it is far above the longest part of a key
RUNS = {
    ("PetsFlow", "20261124-0229-0001"): SUCCEEDED,
    ("PetsFlow", "20261124-0230-0001"): FAILED,
    ("PetsFlow", "20261125-0230-0001"): None,
    (LONG, "20261124-0231-0001"): SUCCEEDED,
}


def plant(store, flow, run, outcome, *, width=3):
    """A run as its driver and its attempts leave it."""
    header = {"flow": flow, "run": run, "started_s": 10.0, "system_tags": ["user:ann"], "token": "t"}
    records.claim(store, keys.run_header(flow, run), "run", header)
    tags.add_tags(store, flow, run, ["of " + flow, "ünïcode/…"])
    for index in range(width):
        record = Record(flow=flow, run=run, step="count", place=str(index), attempt=0, outcome=SUCCEEDED, token="t",
                        started_s=11.0, ended_s=12.0)  # fmt: skip
        assert records.claim_record(store, record)[0]
    if outcome is not None:
        ended = {"outcome": outcome, "ended_s": 20.0, "token": "t"}
        records.claim(store, keys.run_outcome(flow, run), "outcome", ended)


@pytest.fixture
def store():
    made = DictDatastore()
    for (flow, run), outcome in RUNS.items():
        plant(made, flow, run, outcome)
    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["20261125-0230-0001", "20261124-0231-0001", "20261124-0230-0001", "20261124-0229-0001"]),
        ({"limit": 1}, ["20261125-0230-0001"]),
        ({"flow": "PetsFlow"}, ["20261125-0230-0001", "20261124-0230-0001", "20261124-0229-0001"]),
        ({"flow": "PetsFlow", "outcome": SUCCEEDED}, ["20261124-0229-0001"]),
        ({"outcome": SUCCEEDED, "limit": 1}, ["20261124-0231-0001"]),
        ({"tags": ["of PetsFlow", "user:ann"], "limit": 2}, ["20261125-0230-0001", "20261124-0230-0001"]),
        ({"tags": ["user:bob"]}, []),
        ({"run": "20261124-0229-0001"}, ["20261124-0229-0001"]),
        ({"flow": "PetsFlow", "run": "20261124-0231-0001"}, []),
        ({"flow": "NoFlow"}, []),
    ],
)
def test_runs(store, asked, found):
    assert [row.run for row in DatastoreCatalogue(store).runs(**asked)] == found


def test_a_name_that_is_too_long_for_a_key_is_read_from_a_header(store):
    assert sorted(flow_names(store)) == sorted(["PetsFlow", LONG])
    assert [row.flow for row in DatastoreCatalogue(store).runs(run="20261124-0231-0001")] == [LONG]


def test_tags_of_people_and_of_the_system(store):
    found = DatastoreCatalogue(store).tags("PetsFlow", "20261124-0229-0001")
    assert sorted((row.tag, row.system) for row in found) == [
        ("of PetsFlow", False), ("user:ann", True), ("ünïcode/…", False),
    ]  # fmt: skip
    assert list(DatastoreCatalogue(store).tags("PetsFlow", "no run")) == []


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ({}, "012"),
        ({"step": "count"}, "012"),
        ({"step": "count", "place": "1"}, "1"),
        ({"place": "2"}, "2"),
        ({"step": "no"}, ""),
    ],
)
def test_attempts_with_and_without_the_index(store, indexed, asked, places):
    at = ("PetsFlow", "20261124-0229-0001")
    if indexed:
        write_index(store, *at, store.get_many)
    rows = list(DatastoreCatalogue(store).attempts(*at, **asked))
    assert sorted(row.place for row in rows) == list(places)
    assert all(row.record == store.get(keys.record(*at, row.step, row.place, 0)) for row in rows)


def test_a_thousand_tasks_by_the_index_cost_two_requests():
    store = DictDatastore()
    plant(store, "F", "r", SUCCEEDED, width=1000)
    write_index(store, "F", "r", store.get_many)
    store.calls.clear()
    assert len(list(DatastoreCatalogue(store).attempts("F", "r"))) == 1000
    assert len(store.calls) == 2


def test_an_index_whose_chunk_is_damaged_or_gone_is_passed_over(store):
    at = ("PetsFlow", "20261124-0229-0001")
    write_index(store, *at, store.get_many)
    chunk = next(key for key in store.objects if key.startswith(keys.CHUNKS))
    for damaged in (store.objects[chunk][:-1], None):
        if damaged is None:
            store.delete([chunk])
        else:
            store.objects[chunk] = damaged
        assert read_index(store, *at) is None
        assert len(list(DatastoreCatalogue(store).attempts(*at))) == 3


def test_torn_objects_are_no_fault(store):
    at = ("PetsFlow", "20261124-0229-0001")
    store.objects[keys.run_outcome(*at)] = b""
    store.objects[keys.record(*at, "count", "1", 0)] = b"penstock-record 1 "
    catalogue = DatastoreCatalogue(store)
    assert next(catalogue.runs(run=at[1])).outcome is None
    assert sorted((row.place, row.outcome) for row in catalogue.attempts(*at)) == [
        ("0", SUCCEEDED), ("1", "lost"), ("2", SUCCEEDED),
    ]  # fmt: skip


# ------------------------------------------------------------------------------ making one again


def _all(metadata):
    rows = list(metadata.runs())
    attempts = [one for row in rows for one in metadata.attempts(row.flow, row.run)]
    tagged = [one for row in rows for one in metadata.tags(row.flow, row.run)]
    return rows, sorted(map(repr, attempts)), sorted(map(repr, tagged))


@pytest.fixture
def folder(tmp_path):
    datastore = FileDatastore(str(tmp_path))
    for (flow, run), outcome in RUNS.items():
        plant(datastore, flow, run, outcome)
    return datastore


def _damage_the_beginning(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)


def _damage_the_pages(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    raw = path.read_bytes()
    path.write_bytes(raw[:4096] + b"\xff" * (len(raw) - 4096))


@pytest.mark.parametrize("damage", [None, Path.unlink, _damage_the_beginning, _damage_the_pages])
def test_a_catalogue_is_made_again(folder, damage):
    metadata = SqliteMetadata(folder)
    if damage is not None:
        rebuild(folder, metadata)
        assert not metadata.needs_rebuild()
        metadata.close()
        damage(metadata.path)
    assert metadata.needs_rebuild()
    rebuild(folder, metadata)
    assert not metadata.needs_rebuild()
    assert _all(metadata) == _all(DatastoreCatalogue(folder))
    assert bool(list(metadata.path.parent.glob("*.damaged-*"))) == (damage not in (None, Path.unlink))
    metadata.close()


def test_a_write_that_finds_damage_sets_the_file_aside_and_says_so(folder):
    metadata = SqliteMetadata(folder)
    rebuild(folder, metadata)
    metadata.close()
    _damage_the_pages(metadata.path)
    with pytest.raises(BackendUnavailable, match="fills a new one"):
        metadata.write([RunRow(flow="F", run="r", started_s=0.0)])
    assert metadata.needs_rebuild()
    assert not metadata.path.exists()
    metadata.close()


def test_half_a_rebuild_is_none(folder):
    metadata = SqliteMetadata(folder)

    def batches():
        yield [RunRow(flow="F", run="r", started_s=0.0)]
        raise BackendUnavailable("the network is gone")

    with pytest.raises(BackendUnavailable):
        metadata.refill(batches())
    assert metadata.needs_rebuild()
    assert list(metadata.runs()) == []
    metadata.close()
