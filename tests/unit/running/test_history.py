"""What a run has done already, from its records and from those that it took over."""

from __future__ import annotations

import pytest

from penstock.running.history import known_of, records_of, standing_of
from penstock.storage import bundle, keys, records
from penstock.values import FAILED, LOST, SUCCEEDED, Record
from tests.unit.dict_datastore import DictDatastore


def record(step: str, attempt: int, outcome: str, *, run: str = "r") -> Record:
    return Record(flow="F", run=run, step=step, place="0", attempt=attempt, outcome=outcome, token="t")


@pytest.mark.parametrize(
    ("outcomes", "known", "past"),
    [
        ([], None, None),
        ([SUCCEEDED], 0, None),
        ([FAILED, SUCCEEDED], 1, None),
        ([FAILED], None, (1, 1, 0)),
        ([LOST, FAILED, LOST], None, (3, 1, 2)),
    ],
)
def test_what_stands_and_what_is_remembered(
    outcomes: list[str], known: int | None, past: tuple[int, int, int] | None
) -> None:
    found = [record("a", number, outcome) for number, outcome in enumerate(outcomes)]
    successes, failures = known_of(found[::-1])  # a listing has no order
    assert {task: one.attempt for task, one in successes.items()} == ({} if known is None else {("a", "0"): known})
    counted = {task: (one.total, one.failed.bit_count(), one.lost.bit_count()) for task, one in failures.items()}
    assert counted == ({} if past is None else {("a", "0"): past})
    assert set(standing_of(found)) == set(successes)


def test_what_was_taken_over_is_found_under_the_key_of_its_own_run() -> None:
    store = DictDatastore()
    own, taken = record("b", 0, SUCCEEDED), record("a", 2, SUCCEEDED, run="origin")
    records.claim_record(store, own)
    store.put(keys.taken("F", "r"), bundle.encode([records.encode_record(taken)]))
    store.put(keys.record("F", "r", "c", "0", 0), b"")  # torn by a power cut
    found = records_of(store, "F", "r")
    assert sorted((one.step, one.outcome) for one in found) == [("a", SUCCEEDED), ("b", SUCCEEDED), ("c", LOST)]
    assert standing_of(found)["a", "0"][1] == keys.record("F", "origin", "a", "0", 2)
    assert known_of(found)[1]["c", "0"].lost.bit_count() == 1
