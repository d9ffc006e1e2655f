"""Text and output made safe for a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.printable import printable, tame


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ✓ naïve", "plain ✓ naïve"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\t\r", r"a\nb\t\r"),
        ("\ud800\u202e\x9b", r"\ud800\u202e\x9b"),
        ("it's", "it's"),
    ],
)
def test_what_does_not_print_is_escaped(text, shown):
    assert printable(text) == shown


def test_lines_may_stay():
    assert printable("a\n\tb\r\x07", lines=True) == "a\n\tb\\r\\x07"


@given(st.text(st.characters(codec=None)))
def test_nothing_that_steers_is_left(text):
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("output", "left"),
    [
        (b"plain\n", b"plain\n"),
        (b"\x1b[31mred\x1b[0m\x1b[K", b"\x1b[31mred\x1b[0m\x1b[K"),
        (b"50%\r100%\n", b"50%\r100%\n"),
        (b"\x1b[2Jx", b"x"),
        (b"\x1b[10;10Hx", b"x"),
        (b"\x1b]0;title\x07x", b"x"),
        (b"\x1b]52;c;Zm9v\x1b\\x", b"x"),
        (b"\x1bcx", b"x"),
        (b"\x1b", b""),
        (b"a\x07\x08\x0eb", b"a\x07\x08b"),
    ],
)
def test_output_keeps_colours_and_loses_what_steers(output, left):
    assert tame(output) == left
