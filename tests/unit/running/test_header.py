"""The header of a run: put once, under an id that nobody else has."""

from __future__ import annotations

import pytest

from penstock.errors import NotFound
from penstock.home import Home
from penstock.running.header import claim_header, read_header
from tests.unit.running.begun import header


def test_each_run_of_one_moment_has_an_id_of_its_own_in_their_order(home: Home) -> None:
    made = [header() for _ in range(5)]
    ids = [claim_header(home.datastore, one) for one in made]
    assert ids == sorted(set(ids))
    assert [read_header(home.datastore, "F", one)["token"] for one in ids] == [one["token"] for one in made]
    with pytest.raises(NotFound, match="F/nobody has no readable header"):
        read_header(home.datastore, "F", "nobody")
