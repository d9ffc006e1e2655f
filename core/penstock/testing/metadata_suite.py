"""MetadataSuite: each promise of the contract `MetadataStore` as a test.

    class TestMyCatalogue(MetadataSuite):
        def make(self, tmp_path):
            return MyCatalogue(FileDatastore(root=str(tmp_path)), url="...")

A store that reads facts where they stand says `keeps_rows = False`, and `plant` puts the objects behind the rows.
"""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest

from penstock import contracts
from penstock.contracts.datastore import Datastore
from penstock.contracts.metadata import AttemptRow, MetadataStore, RunRow, TagRow
from penstock.contracts.reach import Reach
from penstock.storage import keys, records, tags
from penstock.storage.catalogue import rebuild
from penstock.testing.children import Victim, in_children
from penstock.testing.datastore_suite import reopened
from penstock.values import FAILED, LOST, SUCCEEDED, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.metadata import Row

ODD_TAGS = ("ünïcode/…", "two words", "50%_off", "it's", 'a "quote"', "a:b=c", "line\nfeed", "🐾", " ", "PROD")


class MetadataSuite:
    """Inherit, and say how a store is made.

    keeps_rows: `write` and `forget` have an effect. secrets: texts that must not be seen in anything written down.
    """

    keeps_rows = True
    secrets: tuple[str, ...] = ()

    def make(self, tmp_path: Path) -> MetadataStore:
        """A new store without any row, over a new datastore."""
        raise NotImplementedError

    def plant(self, store: MetadataStore, rows: Sequence[Row]) -> None:
        """Bring rows about."""
        if self.keeps_rows:
            store.write(rows)
        else:
            put_objects(store.datastore, rows)

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[MetadataStore]:
        """What the tests look at."""
        store = self.make(tmp_path)
        yield store
        store.close()
        store.datastore.close()

    @pytest.fixture
    def several(self, store: MetadataStore) -> MetadataStore:
        """A store with runs of two flows; two of them have one id."""
        for rows in shuffled(
            run_rows("PetsFlow", "20261124-0229-0001", outcome=SUCCEEDED, of_people=["good", "first"]),
            run_rows("PetsFlow", "20261124-0230-0001", outcome=SUCCEEDED, of_people=["good"]),
            run_rows("PetsFlow", "20261125-0100-0001", outcome=FAILED, of_people=["good", "odd"]),
            run_rows("PetsFlow", "20261125-0100-0002"),
            run_rows("Pets", "20261124-0230-0001", outcome=FAILED, of_people=["first"], of_system=["user:bob"]),
            run_rows("Pets", "20261126-0000-0001", outcome=SUCCEEDED),
        ):
            self.plant(store, rows)
        return store

    def again(self, store: MetadataStore, datastore: Datastore | None = None) -> MetadataStore:
        """The same store once more, as another process opens it."""
        cls = type(store)
        options = json.loads(json.dumps(store.options()))
        opened = contracts.open(f"{cls.__module__}:{cls.__qualname__}", options, datastore or store.datastore)
        assert isinstance(opened, MetadataStore)
        return opened

    # -- rows

    def test_an_empty_store_has_no_rows(self, store: MetadataStore) -> None:
        assert list(store.runs()) == list(store.runs("PetsFlow", tags=["x"], limit=3)) == []
        assert list(store.attempts("PetsFlow", "r")) == []
        assert list(store.tags("PetsFlow", "r")) == []
        assert list(store.flows()) == []

    def test_rows_come_back_as_they_are(self, store: MetadataStore) -> None:
        rows = [
            *run_rows("PetsFlow", "20261124-0229-0001", outcome=FAILED, of_people=["mine"], of_system=["user:ann"]),
            attempt_row("PetsFlow", "20261124-0229-0001", "start", "0"),
            attempt_row("PetsFlow", "20261124-0229-0001", "count", "17.3~2", 2, outcome=LOST),
        ]
        self.plant(store, rows)
        self.plant(store, run_rows("PetsFlow", "20261124-0230-0001"))
        assert list(store.runs(run="20261124-0229-0001")) == [rows[0]]
        assert list(store.runs(run="20261124-0230-0001")) == run_rows("PetsFlow", "20261124-0230-0001")
        assert sorted(store.tags("PetsFlow", "20261124-0229-0001"), key=_tag) == rows[1:3]
        assert sorted(store.attempts("PetsFlow", "20261124-0229-0001"), key=_task) == [rows[4], rows[3]]

    def test_names_and_tags_of_any_letters(self, store: MetadataStore) -> None:
        flow, run, step = "Größe_дл", "20261124-0229-0001", "schritt_ä"
        rows = [*run_rows(flow, run, of_people=ODD_TAGS), attempt_row(flow, run, step, "0")]
        self.plant(store, rows)
        assert list(store.flows()) == [flow]
        assert list(store.runs(flow)) == [rows[0]]
        assert {row.tag for row in store.tags(flow, run)} == set(ODD_TAGS)
        assert list(store.attempts(flow, run, step=step)) == [rows[-1]]
        for tag in ODD_TAGS:
            assert list(store.runs(tags=[tag])) == [rows[0]], tag
            assert list(store.runs(tags=[tag + "x"])) == list(store.runs(tags=[tag[:-1] or "x"])) == []

    def test_bytes_are_kept_byte_for_byte(self, store: MetadataStore) -> None:
        self._needs_rows()
        every = bytes(range(256)) * 300
        store.write([RunRow(flow="F", run="r", started_s=0.1, header=every)])
        store.write([_attempt("F", "r", record=every[::-1]), _attempt("F", "r", place="1", record=b"")])
        assert [row.header for row in store.runs()] == [every]
        assert {row.place: row.record for row in store.attempts("F", "r")} == {"0": every[::-1], "1": b""}

    def test_times_are_kept_to_the_microsecond(self, store: MetadataStore) -> None:
        self._needs_rows()
        row = RunRow(flow="F", run="r", started_s=1795486155.123456, ended_s=1795486156.654321, outcome=SUCCEEDED)
        store.write([row])
        (found,) = store.runs()
        assert (found.started_s, found.ended_s) == (row.started_s, row.ended_s)

    def test_a_row_replaces_one_with_the_same_names(self, store: MetadataStore) -> None:
        self._needs_rows()
        store.write([RunRow(flow="F", run="r", started_s=1.0, header=b"old"), _attempt("F", "r", record=b"old")])
        store.write([TagRow(flow="F", run="r", tag="t"), TagRow(flow="F", run="r", tag="t")])
        new = RunRow(flow="F", run="r", started_s=1.0, ended_s=3.0, outcome=FAILED, header=b"new")
        store.write([TagRow(flow="F", run="r", tag="t", system=True), _attempt("F", "r", record=b"new"), new])
        assert list(store.runs()) == [new]
        assert list(store.attempts("F", "r")) == [_attempt("F", "r", record=b"new")]
        assert list(store.tags("F", "r")) == [TagRow(flow="F", run="r", tag="t", system=True)]

    def test_a_run_that_ends_has_its_outcome(self, store: MetadataStore) -> None:
        self.plant(store, run_rows("F", "20261124-0229-0001"))
        assert [row.outcome for row in store.runs()] == [None]
        assert list(store.runs(outcome=SUCCEEDED)) == []
        ended = run_rows("F", "20261124-0229-0001", outcome=SUCCEEDED)
        self.plant(store, ended)
        assert list(store.runs()) == list(store.runs(outcome=SUCCEEDED)) == ended

    def test_rows_are_written_all_or_none(self, store: MetadataStore) -> None:
        """A batch that ends in something that nobody can store."""
        self._needs_rows()
        store.write([_attempt("F", "r", place=str(number)) for number in range(3)])
        wrong: Any = AttemptRow(
            flow="F", run="r", step="s", place="9", attempt=0, outcome="x", started_s=0, ended_s=0, record=object()  # type: ignore[arg-type]
        )
        batch = [_attempt("F", "r", place=str(number), record=b"new") for number in range(2, 6)]
        try:
            store.write([RunRow(flow="F", run="r", started_s=1.0), TagRow(flow="F", run="r", tag="t"), *batch, wrong])
        except Exception:  # noqa: BLE001  which error a mistake of the caller's raises is not promised
            assert [*store.runs(), *store.tags("F", "r")] == []
            assert {row.place: row.record for row in store.attempts("F", "r")} == dict.fromkeys("012", b"record")

    def test_a_killed_writer_leaves_whole_batches(self, store: MetadataStore) -> None:
        self._needs_rows()
        self._needs_processes(store)

        def write(tell: Callable[[int], None]) -> None:
            own = self.again(store, reopened(store.datastore))
            for number in range(10_000):
                own.write([_attempt("F", f"{turn}-{number}", place=str(place)) for place in range(40)])
                tell(number)

        for turn in range(3):
            last = Victim(write).kill_after(2 * turn)
            for number in range(last + 2):
                count = len(list(store.attempts("F", f"{turn}-{number}")))
                assert count == 40 or (count == 0 and number > last)

    # -- questions

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({}, ["6 0000-0001", "5 0100-0002", "5 0100-0001", "4 0230-0001", "4 0230-0001", "4 0229-0001"]),
            ({"flow": "PetsFlow"}, ["5 0100-0002", "5 0100-0001", "4 0230-0001", "4 0229-0001"]),
            ({"flow": "Pets"}, ["6 0000-0001", "4 0230-0001"]),
            ({"flow": "petsflow"}, []),
            ({"flow": "Pet%"}, []),
            ({"run": "20261124-0230-0001"}, ["4 0230-0001", "4 0230-0001"]),
            ({"flow": "PetsFlow", "run": "20261124-0230-0001"}, ["4 0230-0001"]),
            ({"run": "20261124-0230"}, []),
            ({"outcome": SUCCEEDED}, ["6 0000-0001", "4 0230-0001", "4 0229-0001"]),
            ({"flow": "PetsFlow", "outcome": SUCCEEDED, "limit": 1}, ["4 0230-0001"]),
            ({"outcome": LOST}, []),
            ({"tags": ["good"]}, ["5 0100-0001", "4 0230-0001", "4 0229-0001"]),
            ({"tags": ["good", "first"]}, ["4 0229-0001"]),
            ({"tags": ["first"]}, ["4 0230-0001", "4 0229-0001"]),
            ({"tags": ["first"], "flow": "Pets"}, ["4 0230-0001"]),
            ({"tags": ["good", "no such tag"]}, []),
            ({"tags": ["user:bob"]}, ["4 0230-0001"]),
            ({"tags": ["good"], "outcome": SUCCEEDED, "limit": 1}, ["4 0230-0001"]),
            ({"limit": 2}, ["6 0000-0001", "5 0100-0002"]),
            ({"limit": 100, "flow": "Pets"}, ["6 0000-0001", "4 0230-0001"]),
            ({"limit": 0}, []),
        ],
        ids=str,
    )  # fmt: skip
    def test_runs_are_found_newest_first(
        self, several: MetadataStore, asked: Mapping[str, Any], found: list[str]
    ) -> None:
        answer = list(several.runs(**asked))
        assert [f"{row.run[7]} {row.run[9:]}" for row in answer] == found
        assert all(row.flow == asked.get("flow", row.flow) for row in answer)

    def test_attempts_are_found_by_step_and_place(self, store: MetadataStore) -> None:
        run = "20261124-0229-0001"
        names = [("count", "0", 0), ("count", "0", 1), ("count", "1", 0), ("count", "10", 0)]
        names += [("join", "0", 0), ("countx", "0", 0)]
        one = [attempt_row("F", run, *name) for name in names]
        self.plant(store, [*run_rows("F", run), *one])
        for other in (("F", "20261124-0229-0002"), ("G", run)):
            self.plant(store, [*run_rows(*other), attempt_row(*other, "count", "0")])

        def asked(**filters: str) -> list[AttemptRow]:
            return sorted(store.attempts("F", run, **filters), key=_task)

        assert asked() == sorted(one, key=_task)
        assert asked(step="count") == sorted(one[:4], key=_task)
        assert asked(step="count", place="1") == [one[2]]
        assert asked(place="0") == sorted([*one[:2], *one[4:]], key=_task)
        assert asked(step="no") == asked(step="join", place="1") == []
        assert list(store.attempts("F", "20261124-0229-0009")) == []

    def test_tags_say_whose_they_are(self, several: MetadataStore) -> None:
        found = several.tags("Pets", "20261124-0230-0001")
        assert sorted((row.flow, row.run, row.tag, row.system) for row in found) == [
            ("Pets", "20261124-0230-0001", "first", False), ("Pets", "20261124-0230-0001", "user:bob", True)
        ]  # fmt: skip
        assert list(several.tags("Pets", "20261126-0000-0001")) == list(several.tags("No", "20261124-0230-0001")) == []

    def test_flows_are_named_once_each(self, several: MetadataStore) -> None:
        assert sorted(several.flows()) == ["Pets", "PetsFlow"]

    def test_a_thousand_attempts(self, store: MetadataStore) -> None:
        rows = [attempt_row("F", "20261124-0229-0001", "count", str(place)) for place in range(1000)]
        self.plant(store, [*run_rows("F", "20261124-0229-0001"), *rows])
        assert sorted(store.attempts("F", "20261124-0229-0001"), key=_task) == sorted(rows, key=_task)
        assert list(store.attempts("F", "20261124-0229-0001", step="count", place="999")) == [rows[-1]]

    # -- forget

    def test_forget_takes_a_run_with_all_its_rows(self, several: MetadataStore) -> None:
        self._needs_rows()
        several.write([attempt_row(flow, "20261124-0230-0001", "count", "0") for flow in ("Pets", "PetsFlow")])
        several.forget("PetsFlow", "20261124-0230-0001")
        assert [row.flow for row in several.runs(run="20261124-0230-0001")] == ["Pets"]
        assert list(several.attempts("PetsFlow", "20261124-0230-0001")) == []
        assert list(several.tags("PetsFlow", "20261124-0230-0001")) == []
        assert len(list(several.attempts("Pets", "20261124-0230-0001"))) == 1
        assert len(list(several.tags("Pets", "20261124-0230-0001"))) == 2
        assert len(list(several.runs())) == 5

    def test_forget_takes_one_tag(self, several: MetadataStore) -> None:
        self._needs_rows()
        several.forget("PetsFlow", "20261124-0229-0001", "good")
        assert [row.tag for row in several.tags("PetsFlow", "20261124-0229-0001")] == ["first"]
        assert [row.run for row in several.runs(tags=["good"])] == ["20261125-0100-0001", "20261124-0230-0001"]
        assert len(list(several.runs())) == 6

    def test_forget_passes_over_what_is_not_there(self, several: MetadataStore) -> None:
        several.forget("PetsFlow", "20261124-0229-0001", "no such tag")
        several.forget("PetsFlow", "no such run")
        several.forget("NoFlow", "20261124-0229-0001")
        assert len(list(several.runs())) == 6
        assert len(list(several.tags("PetsFlow", "20261124-0229-0001"))) == 2

    def test_a_store_that_keeps_no_rows_takes_none(self, several: MetadataStore) -> None:
        if self.keeps_rows:
            pytest.skip("not promised: the store keeps rows")
        several.write(run_rows("PetsFlow", "20270101-0000-0001"))
        several.forget("PetsFlow", "20261124-0229-0001")
        several.forget("PetsFlow", "20261124-0230-0001", "good")
        assert len(list(several.runs())) == 6
        assert len(list(several.runs(tags=["good"]))) == 3

    # -- several at once

    def test_another_instance_sees_what_is_written(self, several: MetadataStore) -> None:
        other = self.again(several)
        assert other.options() == several.options()
        assert list(other.runs()) == list(several.runs())
        self.plant(several, run_rows("Later", "20261127-0000-0001"))
        assert [row.flow for row in other.runs(limit=1)] == ["Later"]
        self.plant(other, run_rows("Later", "20261128-0000-0001"))
        assert [row.run for row in several.runs(limit=1)] == ["20261128-0000-0001"]
        other.close()

    def test_another_process_sees_what_is_written(self, several: MetadataStore) -> None:
        self._needs_processes(several)

        def look(_: int) -> list[str]:
            datastore = reopened(several.datastore)
            own = self.again(several, datastore)
            try:
                return [row.run for row in own.runs(tags=["good"])]
            finally:
                own.close()
                datastore.close()

        expected = ["20261125-0100-0001", "20261124-0230-0001", "20261124-0229-0001"]
        assert in_children(2, look) == [expected, expected]

    def test_writers_of_different_runs_write_at_once(self, store: MetadataStore) -> None:
        self._needs_processes(store)

        def write(number: int) -> int:
            datastore = reopened(store.datastore)
            own = self.again(store, datastore)
            run = f"20261124-0229-000{number}"
            try:
                self.plant(own, run_rows("F", run, of_people=[f"tag {number}"]))
                for batch in range(15):
                    rows = [attempt_row("F", run, "count", str(10 * batch + place)) for place in range(10)]
                    self.plant(own, rows)
                    assert len(list(own.attempts("F", run))) == 10 * (batch + 1)
                return len(list(own.runs(tags=[f"tag {number}"])))
            finally:
                own.close()
                datastore.close()

        assert in_children(4, write) == [1, 1, 1, 1]
        assert [len(list(store.attempts("F", row.run))) for row in store.runs("F")] == [150] * 4

    def test_readers_look_while_a_writer_writes(self, store: MetadataStore) -> None:
        """A batch is seen whole or not at all."""
        self._needs_rows()
        other = self.again(store)
        done = threading.Event()

        def write() -> None:
            try:
                for batch in range(30):
                    store.write([_attempt("F", "r", place=f"{batch}.{place}") for place in range(20)])
            finally:
                done.set()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while not done.is_set():
                assert len(list(other.attempts("F", "r"))) % 20 == 0
        finally:
            writer.join()
        assert len(list(other.attempts("F", "r"))) == 600
        other.close()

    # -- made again from the datastore

    def test_it_is_made_again_from_the_datastore(self, store: MetadataStore) -> None:
        rows = run_rows("F", "20261124-0229-0001", outcome=SUCCEEDED, of_people=["mine"], of_system=["user:ann"])
        attempts = [attempt_row("F", "20261124-0229-0001", "count", str(place)) for place in range(30)]
        put_objects(store.datastore, [*rows, *attempts, *run_rows("G", "20261124-0230-0001")])
        rebuild(store.datastore, store)
        assert not store.needs_rebuild()
        assert [row.flow for row in store.runs()] == ["G", "F"]
        assert list(store.runs("F")) == rows[:1]
        assert sorted(store.tags("F", "20261124-0229-0001"), key=_tag) == rows[1:]
        assert sorted(store.attempts("F", "20261124-0229-0001"), key=_task) == sorted(attempts, key=_task)

    def test_a_refill_that_breaks_off_is_still_needed(self, store: MetadataStore) -> None:
        before = store.needs_rebuild()

        def batches() -> Iterator[list[Row]]:
            yield [RunRow(flow="F", run="r", started_s=1.0)]
            raise OSError("the datastore is gone")

        with pytest.raises(OSError, match="the datastore is gone"):
            store.refill(batches())
        assert store.needs_rebuild() is before

    # -- what it says of itself

    def test_what_is_written_down_holds_no_secret(self, store: MetadataStore) -> None:
        written = json.dumps(store.options())
        for secret in self.secrets:
            assert secret not in written

    def test_closing_twice_closes_only_this_one(self, several: MetadataStore) -> None:
        other = self.again(several)
        assert len(list(other.runs())) == 6
        other.close()
        other.close()
        assert len(list(several.runs())) == 6

    # -- what tests share

    def _needs_rows(self) -> None:
        if not self.keeps_rows:
            pytest.skip("not promised: the store reads facts where they stand")

    def _needs_processes(self, store: MetadataStore) -> None:
        if store.datastore.reach is Reach.PROCESS:
            pytest.skip("not promised: the store is this process's alone")


def run_rows(
    flow: str, run: str, *, outcome: str | None = None, of_people: Sequence[str] = (), of_system: Sequence[str] = ()
) -> list[Row]:
    """A run as its driver would write it down: its row and those of its tags, people's first."""
    header = {"flow": flow, "run": run, "token": "t", "started_s": 10.5, "system_tags": list(of_system)}
    return [
        RunRow(
            flow=flow, run=run, started_s=10.5, ended_s=None if outcome is None else 20.25, outcome=outcome,
            header=records.encode("run", header),
        ),
        *(TagRow(flow=flow, run=run, tag=tag) for tag in of_people),
        *(TagRow(flow=flow, run=run, tag=tag, system=True) for tag in of_system),
    ]  # fmt: skip


def attempt_row(
    flow: str, run: str, step: str, place: str, attempt: int = 0, *, outcome: str = SUCCEEDED
) -> AttemptRow:
    """An attempt with a real record."""
    record = Record(
        flow=flow, run=run, step=step, place=place, attempt=attempt, outcome=outcome, token="t",
        started_s=11.5, ended_s=12.25, stdout={"size": 5, "text": "töö\n"}, host="host",
    )  # fmt: skip
    return AttemptRow(
        flow=flow, run=run, step=step, place=place, attempt=attempt, outcome=outcome,
        started_s=11.5, ended_s=12.25, record=records.encode_record(record),
    )  # fmt: skip


def put_objects(datastore: Datastore, rows: Sequence[Row]) -> None:
    """Put what stands behind rows that `run_rows` and `attempt_row` made."""
    for row in rows:
        if isinstance(row, RunRow):
            datastore.put(keys.run_header(row.flow, row.run), row.header)
            if row.outcome is not None:
                ended = {"outcome": row.outcome, "ended_s": row.ended_s, "token": "t", "reason": ""}
                records.claim(datastore, keys.run_outcome(row.flow, row.run), "outcome", ended)
        elif isinstance(row, AttemptRow):
            datastore.put(keys.record(row.flow, row.run, row.step, row.place, row.attempt), row.record)
        elif not row.system:
            tags.add_tags(datastore, row.flow, row.run, [row.tag])


def shuffled(*batches: list[Row]) -> list[list[Row]]:
    """In some order that is not that of their ids."""
    return random.Random(5).sample(batches, len(batches))


def _attempt(flow: str, run: str, *, place: str = "0", record: bytes = b"record") -> AttemptRow:
    """An attempt whose record need not be one."""
    return AttemptRow(
        flow=flow, run=run, step="s", place=place, attempt=0, outcome=SUCCEEDED,
        started_s=1.0, ended_s=2.0, record=record,
    )  # fmt: skip


def _tag(row: TagRow) -> tuple[bool, str]:
    return row.system, row.tag


def _task(row: AttemptRow) -> tuple[str, str, int]:
    return row.step, row.place, row.attempt
