"""The catalogue in a SQLite file."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock.storage.catalogue import rebuild
from penstock.testing import MemoryDatastore, MetadataSuite
from penstock.testing.children import in_children
from penstock.testing.metadata_suite import attempt_row, put_objects, run_rows
from penstock_local.file_datastore import FileDatastore
from penstock_local.sqlite_metadata import SqliteMetadata


class TestSqliteMetadata(MetadataSuite):
    def make(self, tmp_path: Path) -> SqliteMetadata:
        return SqliteMetadata(FileDatastore(root=str(tmp_path / "a störe")))


RUN = "20261124-0229-0001"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteMetadata]:
    made = SqliteMetadata(FileDatastore(root=str(tmp_path / "store")))
    put_objects(made.datastore, [*run_rows("F", RUN, of_people=["mine"]), attempt_row("F", RUN, "start", "0")])
    yield made
    made.close()


def test_the_file_lies_beside_the_data_in_wal_mode(store: SqliteMetadata, tmp_path: Path) -> None:
    store.write(run_rows("F", RUN))
    path = tmp_path / "store" / "catalogue.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.path == path


def test_asking_makes_no_file(store: SqliteMetadata) -> None:
    assert list(store.runs()) == list(store.tags("F", RUN)) == list(store.flows()) == []
    assert not store.path.exists()


def test_a_question_among_many_runs_uses_an_index(store: SqliteMetadata) -> None:
    store.write(run_rows("F", RUN))
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        asked = "SELECT run FROM run WHERE flow = 'F' AND outcome = 'succeeded' ORDER BY run DESC LIMIT 1"
        plan = connection.execute(f"EXPLAIN QUERY PLAN {asked}").fetchall()
    assert len(plan) == 1
    assert "run_by_outcome" in plan[0][3]


def test_no_connection_crosses_a_fork(store: SqliteMetadata) -> None:
    store.write(run_rows("F", RUN))

    def work(number: int) -> int:
        store.write([attempt_row("F", RUN, "child", str(number))])
        store.close()
        return len(list(store.runs()))

    assert in_children(3, work) == [1, 1, 1]
    assert sorted(row.place for row in store.attempts("F", RUN, step="child")) == ["0", "1", "2"]


def test_many_processes_may_be_the_first(store: SqliteMetadata) -> None:
    """Turning a new file to WAL is refused to one of two without letting it wait."""
    assert in_children(6, lambda number: store.write(run_rows("F", f"20261124-0229-000{number}"))) == [None] * 6
    assert len(list(store.runs())) == 6


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"no database at all" * 100, id="another file"),
        pytest.param(lambda raw: raw[:100] + b"\xff" * (len(raw) - 100), id="pages"),
        pytest.param(lambda raw: raw[: len(raw) // 2 - 7], id="cut short"),
    ],
)
def test_a_damaged_file_is_set_aside_and_made_again(
    store: SqliteMetadata, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    rebuild(store.datastore, store)
    store.write([attempt_row("F", RUN, "start", str(place)) for place in range(1, 200)])
    store.close()
    store.path.write_bytes(damage(store.path.read_bytes()))
    assert store.needs_rebuild()
    rebuild(store.datastore, store)
    assert not store.needs_rebuild()
    assert [row.run for row in store.runs(tags=["mine"])] == [RUN]
    assert list(store.attempts("F", RUN)) == [attempt_row("F", RUN, "start", "0")]
    assert [path for path in (tmp_path / "store").iterdir() if ".damaged-" in path.name]


def test_a_lost_file_is_made_again(store: SqliteMetadata) -> None:
    rebuild(store.datastore, store)
    store.close()
    store.path.unlink()
    assert store.needs_rebuild()
    rebuild(store.datastore, store)
    assert [row.run for row in store.runs()] == [RUN]


def test_a_store_without_files_needs_a_path() -> None:
    with pytest.raises(BackendMisconfigured, match="needs a file") as caught:
        SqliteMetadata(MemoryDatastore()).write([])
    assert "--metadata=datastore" in caught.value.hint


def test_a_path_of_its_own(tmp_path: Path) -> None:
    made = SqliteMetadata(MemoryDatastore(), path=str(tmp_path / "new" / "runs.sqlite"))
    made.write(run_rows("F", RUN))
    assert (tmp_path / "new" / "runs.sqlite").exists()
    made.close()


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    made = SqliteMetadata(MemoryDatastore(), path=str(tmp_path / "file" / "runs.sqlite"))
    with pytest.raises(BackendUnavailable, match=r"runs\.sqlite"):
        made.write(run_rows("F", RUN))


def test_a_store_that_nobody_holds_any_more_holds_no_file(tmp_path: Path) -> None:
    dropped = SqliteMetadata(FileDatastore(root=str(tmp_path)))
    dropped.write(run_rows("F", RUN))
    connection = dropped._file._connection
    assert connection is not None
    del dropped
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
