"""A home, and a run that was begun by hand: a header with nothing behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.home import Home
from penstock.running.header import claim_header
from tests.unit.running.begun import header


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / ".penstock").mkdir()
    with closing(Home.open({}, folder=str(tmp_path))) as found:
        yield found


@pytest.fixture
def run(home: Home) -> str:
    return claim_header(home.datastore, header(tags=["old", "stays"], system_tags=["user:ann"]))
