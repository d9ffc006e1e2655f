"""The executor suite finds out every fault that is planted for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing import planted_executors
from tests.testing.planted import Fault, Outcomes


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return Outcomes(Path(planted_executors.__file__), tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize("fault", planted_executors.FAULTS, ids=lambda fault: fault.name)
def test_the_suite_finds_the_fault(outcomes: Outcomes, fault: Fault) -> None:
    outcomes.check(fault)
