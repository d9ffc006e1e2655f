"""Message and hint travel as one sentence where only one can be kept."""

from __future__ import annotations

import pytest

from penstock.errors import JobRejected, apart


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("no image", "docker pull x   # or (better) another"),
        ("no image", ""),
        ("it said (next: nothing) and ended", ""),
        ("it said (next: nothing)\nand ended", "flow doctor"),
        ("", "flow doctor"),
    ],
)
def test_they_are_told_apart_again(message: str, hint: str) -> None:
    assert apart(JobRejected(message, hint=hint).in_one_line) == (message, hint)
