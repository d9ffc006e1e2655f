"""Copies for the catalogue: some together, and none of them can stop a run."""

from __future__ import annotations

import pytest

from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock.home import Home
from penstock.running import copies
from penstock.running.copies import AttemptCopies, enter_run
from penstock.running.header import read_header
from penstock.running.outcome import end_run
from penstock.storage import keys, records, tags
from penstock.values import FAILED, SUCCEEDED, Record


def test_the_catalogue_has_the_tags_that_the_run_has_in_the_end(home: Home, run: str) -> None:
    own = read_header(home.datastore, "F", run)
    tags.add_tags(home.datastore, "F", run, own["tags"])
    enter_run(home, own, print)
    tags.remove_tags(home.datastore, "F", run, ["old"])
    tags.add_tags(home.datastore, "F", run, ["new"])
    end_run(home, own, SUCCEEDED, "a", "", print)
    assert {row.tag: row.system for row in home.metadata.tags("F", run)} == {
        "stays": False, "new": False, "user:ann": True,
    }  # fmt: skip


@pytest.mark.parametrize("error", [BackendUnavailable, BackendMisconfigured])
def test_a_catalogue_that_refuses_is_told_and_stops_nothing(
    home: Home, run: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error("not here")

    for name in ("write", "tags"):
        monkeypatch.setattr(home.metadata, name, refuse)
    notes: list[str] = []
    own = read_header(home.datastore, "F", run)
    enter_run(home, own, notes.append)
    rows = AttemptCopies(home.metadata, notes.append)
    rows.add(Record(flow="F", run=run, step="a", place="0", attempt=0, outcome=SUCCEEDED, token="t"), b"raw")
    rows.write()
    assert end_run(home, own, SUCCEEDED, "a", "", notes.append) == SUCCEEDED
    assert {"not here"} <= set(notes)
    assert records.read(home.datastore, keys.run_outcome("F", run))["outcome"] == SUCCEEDED  # type: ignore[index]


def test_copies_of_records_go_together_and_the_last_ones_at_the_end(
    home: Home, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "BATCH", 3)
    rows, seen = AttemptCopies(home.metadata, print), []
    for number in range(7):
        rows.add(Record(flow="F", run=run, step="a", place=str(number), attempt=0, outcome=FAILED, token="t"), b"raw")
        seen.append(len(list(home.metadata.attempts("F", run))))
    rows.write()
    rows.write()
    assert seen == [0, 0, 3, 3, 3, 6, 6]
    assert {row.record for row in home.metadata.attempts("F", run)} == {b"raw"}
