"""How a run ended: said once, and whoever says it first is right."""

from __future__ import annotations

import pytest

from penstock.contracts.reach import Reach
from penstock.home import Home
from penstock.running.header import read_header
from penstock.running.outcome import end_run
from penstock.storage import keys, records
from penstock.values import CANCELLED, FAILED, SUCCEEDED


@pytest.mark.parametrize(("first", "later"), [(SUCCEEDED, CANCELLED), (CANCELLED, SUCCEEDED)])
def test_who_says_it_first_is_right(home: Home, run: str, first: str, later: str) -> None:
    own = read_header(home.datastore, "F", run)
    assert end_run(home, own, first, "a", "", print) == first
    assert end_run(home, own, later, "b", "", print) == first
    assert [row.outcome for row in home.metadata.runs("F")] == [first]


def test_a_torn_outcome_is_nobody_s(home: Home, run: str) -> None:
    home.datastore.put(keys.run_outcome("F", run), b"")
    assert end_run(home, read_header(home.datastore, "F", run), FAILED, "a", "", print) == FAILED
    assert records.read(home.datastore, keys.run_outcome("F", run))["outcome"] == FAILED  # type: ignore[index]


@pytest.mark.parametrize("reach", list(Reach))
def test_only_of_a_store_far_away_an_index_is_made(home: Home, run: str, reach: Reach) -> None:
    home.datastore.reach = reach
    end_run(home, read_header(home.datastore, "F", run), SUCCEEDED, "a", "", print)
    assert home.datastore.exists(keys.index("F", run)) == (reach is Reach.ANYWHERE)
