"""Names of Metaflow's that penstock does not have are answered with what to do instead."""

from __future__ import annotations

import pytest

import penstock
from penstock.compat.absent import ABSENT


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_an_import_is_told_what_to_do_instead(name: str) -> None:
    assert name not in penstock.__all__
    with pytest.raises(ImportError, match=f"penstock has no {name}: "):
        exec(f"from penstock import {name}")


def test_a_name_that_nobody_has_is_an_ordinary_mistake() -> None:
    assert not hasattr(penstock, "FlowSpek")
