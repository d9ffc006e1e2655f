"""Names become keys: plain ones stay, no name leads outside, different names never meet."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.storage import keys

ALLOWED = re.compile(r"[A-Za-z0-9._=~-]{1,120}\Z")
names = st.text(min_size=1, max_size=300)


@given(names)
@example("..")
@example("../../etc/passwd")
@example("a/b")
@example("CON")
@example("nul\0")
@example("\u0445")  # looks like an x
@example("x" * 300)
def test_a_part_is_safe_whatever_the_name(name: str) -> None:
    part = keys.part(name)
    assert ALLOWED.match(part)
    assert part not in (".", "..")
    assert not part.startswith(".")


@given(names, names)
@example("=41", "A")
@example("a=b", "a=3Db")
@example(".", "=2E")
def test_different_names_have_different_parts(one: str, other: str) -> None:
    assert (keys.part(one) == keys.part(other)) == (one == other)


@given(st.text(min_size=1, max_size=9))
@example("\x8000:\x80\U00010000\U00010000\U00010000\U00010000")  # as long as a hash once it is quoted
def test_a_short_name_comes_back(name: str) -> None:
    assert keys.name(keys.part(name)) == name


@pytest.mark.parametrize("name", ["PetsFlow", "start", "17.3~2", "_parameters", "20261124-0229-7k3q"])
def test_plain_names_stay(name: str) -> None:
    assert keys.part(name) == name


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        keys.part("")


def test_a_record_key_tells_its_attempt() -> None:
    key = keys.record("Flöw", "r", "sørt", "17.3~2", 4)
    found = keys.record_of(key)
    assert found is not None
    assert str(found) == "Flöw/r/sørt/17.3~2/4"
    assert keys.record_of(keys.owner("F", "r", "s", "0", 0)) is None
    assert keys.record_of(keys.run_header("F", "r")) is None


def test_offsets_of_logs_sort_as_text() -> None:
    found = [keys.log("F", "r", "s", "0", 0, "stdout", offset) for offset in (0, 9, 10, 99_999, 10**12)]
    assert found == sorted(found)
