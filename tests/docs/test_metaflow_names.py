"""The page for those who come from Metaflow names everything that the tables of `compat/` know."""

from __future__ import annotations

import pytest

from penstock.compat.absent import ABSENT
from penstock.compat.paths import PATHS
from penstock.compat.variables import _SAME
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "coming-from-metaflow.md").read_text(encoding="utf-8")
WORDS = {*ABSENT, *(name for names in PATHS.values() for name in names), *(f"penstock.{path}" for path in PATHS)}


@pytest.mark.parametrize("word", sorted(WORDS))
def test_names_and_paths(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_variables() -> None:
    for name in _SAME:
        assert name in PAGE or name == "METAFLOW_RUN_MAX_WORKERS", name
