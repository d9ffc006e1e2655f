"""The name that somebody probably meant."""

from __future__ import annotations

import pytest

from penstock.nearest import hint, nearest


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("cuont", ["count", "join"], "did you mean 'count'?"),
        ("S3", ["local", "s3"], "did you mean 's3'?"),
        ("x", ["count", "join"], "there are: count, join"),
        ("17", ["1", "2"], "there are: 1, 2"),
        ("x", [], ""),
        ("x", list("abcdefghij"), "there are: a, b, c, d, e, f, g, h and 2 more"),
    ],
)
def test_hint(word, known, said):
    assert hint(word, iter(known)) == said


def test_nearest():
    assert nearest("rum", ["run", "resume"]) == "run"
    assert nearest("zzz", ["run"]) is None
