"""Places, pathspecs and run ids: grammar, order, inverses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.values import (
    CaughtError,
    Pathspec,
    Record,
    Resources,
    Transition,
    next_turn,
    place_index,
    place_order,
    place_outside,
    place_turn,
    place_within,
    run_id,
    run_id_after,
    without_turn,
)

indexes = st.integers(min_value=0, max_value=10**7)


@given(st.lists(indexes, min_size=1, max_size=5))
def test_a_place_built_frame_by_frame_is_taken_apart_again(frames: list[int]) -> None:
    place = "0"
    for depth, index in enumerate(frames):
        place = place_within(place, depth, index)
        assert place_index(place) == index
    for frame in reversed(frames[1:]):
        assert place_index(place) == frame
        place = place_outside(place)
    assert place == str(frames[0])
    assert place_outside(place) == "0"


@given(st.lists(st.tuples(indexes, st.integers(0, 99)), min_size=2, max_size=30))
def test_places_sort_by_number_and_not_by_text(frames: list[tuple[int, int]]) -> None:
    places = [f"{index}~{turn}" if turn else str(index) for index, turn in frames]
    assert [place_order(p)[0] for p in sorted(places, key=place_order)] == sorted(frames)


@pytest.mark.parametrize(
    ("place", "following", "turn"),
    [("0", "0~1", 1), ("0~1", "0~2", 2), ("17", "17~1", 1), ("17.3~9", "17.3~10", 10)],
)
def test_turns_of_a_loop(place: str, following: str, turn: int) -> None:
    assert next_turn(place) == following
    assert place_turn(following) == turn
    assert without_turn(following) == without_turn(place)


@pytest.mark.parametrize("text", ["x", "1.", "1..2", "1~", "~1", "a.b", "1.x"])
def test_an_odd_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no task id"):
        place_order(text.replace("1~", "1~x"))


@pytest.mark.parametrize(
    "text", ["F", "F/20261124-0229-7k3q", "F/r/step", "F/r/step/17.3~2", "F/r/step/0/4", "Flöw/r/s"]
)
def test_a_pathspec_is_what_its_text_says(text: str) -> None:
    assert str(Pathspec.parse(text)) == text
    assert Pathspec.parse(text) == Pathspec.parse(text)
    assert hash(Pathspec.parse(text)) == hash(Pathspec.parse(text))


@pytest.mark.parametrize("text", ["", "F//s", "F/r/s/x", "F/r/s/0/x", "F/r/s/0/1/2"])
def test_an_odd_pathspec_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Pathspec.parse(text)


@given(st.floats(min_value=0, max_value=4e9), st.floats(min_value=0.0001, max_value=1e6))
def test_run_ids_sort_by_time(now_s: float, later_s: float) -> None:
    assert run_id(now_s) <= run_id(now_s + later_s)


@given(st.floats(min_value=0, max_value=4e9))
def test_a_taken_id_has_a_next_one_of_the_same_form(now_s: float) -> None:
    first = run_id(now_s)
    following = run_id_after(first)
    assert following != first
    assert following[:14] == first[:14]
    assert len(following) == len(first) == 18


def test_a_run_id_is_utc_minute_and_position_within_it() -> None:
    assert run_id(0.0) == "19700101-0000-0000"
    assert run_id(59.99999).startswith("19700101-0000-zzz")
    assert run_id_after("19700101-0000-000z") == "19700101-0000-0010"


def test_a_record_survives_its_data_and_leaves_out_what_is_empty() -> None:
    record = Record(
        flow="F", run="r", step="s", place="0", attempt=0, outcome="succeeded", token="t",
        transition=Transition("foreach", ["a"], 3, "items").data(), artifacts={"x": {"size": 1}},
        stdout={"size": 2, "text": "hi"},
    )  # fmt: skip
    data = record.data()
    assert "exception" not in data
    assert data["attempt"] == 0
    assert Record.of({**data, "of_a_later_version": 1}).data() == data


def test_values_compare_by_content() -> None:
    assert Resources(cpu=2) == Resources(cpu=2) != Resources(cpu=3)
    assert repr(Resources(cpu=2, memory_mb=512)) == "Resources(cpu=2, memory_mb=512)"
    assert Transition.of(Transition("linear", ["b"]).data()) == Transition("linear", ("b",))
    assert str(CaughtError("ValueError", "no", "s")) == "ValueError: no"
    assert CaughtError("ValueError", "no", "s").exception == "no"
