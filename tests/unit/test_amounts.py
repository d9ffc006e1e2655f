"""Times and sizes as people read them."""

from __future__ import annotations

import pytest

from penstock.amounts import bytes_text, duration_text, moment_text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (7_900_000_000, "7.9 GB"), (3e15, "3000.0 TB")],
)
def test_bytes(size, text):
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""), (-1, "0.0s"), (0.04, "0.0s"), (9.94, "9.9s"),
        (9.96, "10s"), (59.6, "1:00"), (67, "1:07"), (7424, "2:03:44"),
    ],
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_moments():
    assert moment_text(None) == ""
    assert len(moment_text(0)) == len("1970-01-01 00:00:00")
