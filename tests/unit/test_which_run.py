"""Which run is meant."""

from __future__ import annotations

import pytest

from penstock.errors import NotFound
from penstock.which_run import which_run

RUNS = ["20261124-0229-0001", "20261124-0230-0001", "20261125-0230-0001"]


@pytest.mark.parametrize(
    ("wanted", "run"),
    [
        (None, RUNS[2]),
        ("latest", RUNS[2]),
        ("latest~0", RUNS[2]),
        ("latest~2", RUNS[0]),
        ("20261125", RUNS[2]),
        (RUNS[1], RUNS[1]),
    ],
)
def test_found(wanted, run):
    assert which_run("F", wanted, iter(RUNS)) == run


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("latest~3", "only 3 runs"),
        ("latest~x", "no run 'latest~x'"),
        ("20261124", "begins the ids of 2 runs"),
        ("20261124-0229-0002", "no run"),
    ],
)
def test_not_found(wanted, said):
    with pytest.raises(NotFound, match=said):
        which_run("F", wanted, RUNS)


def test_no_run_at_all():
    with pytest.raises(NotFound, match="F has no run"):
        which_run("F", "latest", [])


def test_a_misspelt_latest_is_told() -> None:
    with pytest.raises(NotFound) as told:
        which_run("F", "lastest", ["20261124-0229-7k3q"])
    assert told.value.hint == "did you mean 'latest'?"
