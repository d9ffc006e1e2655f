"""What may be a tag."""

from __future__ import annotations

import pytest

from penstock.errors import UsageError
from penstock.storage.tag_text import tag_text, tag_texts


@pytest.mark.parametrize("tag", ["a", "blue whale ✓", "x" * 500, "\x1b"])
def test_text_is_a_tag(tag):
    assert tag_text(tag) == tag
    assert tag_text(tag.encode()) == tag


@pytest.mark.parametrize("tag", ["", "x" * 501, b"\xff", "\ud800", 7, None, ["a"]])
def test_other_things_are_not(tag):
    with pytest.raises(UsageError):
        tag_text(tag)


def test_several():
    assert tag_texts("a") == ["a"]
    assert tag_texts(["b", "a", "b"]) == ["b", "a"]
