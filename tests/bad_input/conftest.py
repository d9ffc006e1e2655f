"""Each case gets a folder of its own, with a home above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "work")
