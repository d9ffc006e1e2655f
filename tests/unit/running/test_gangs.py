"""Nodes that wait for one another."""

from __future__ import annotations

import itertools

import pytest

from penstock.running.gangs import Gangs, outcome_of
from penstock.running.plan import Ready
from penstock.values import CANCELLED, FAILED, LOST, SUCCEEDED, Record


def node(index: int, outside: str = "") -> Ready:
    return Ready("s", f"{outside}{index}", ("key",), nodes=3)


def record(ready: Ready, outcome: str) -> Record:
    return Record(flow="F", run="r", step=ready.step, place=ready.place, attempt=0, outcome=outcome, token="t")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_all_or_none_are_next_in_the_order_of_their_places(order: tuple[int, ...]) -> None:
    gangs = Gangs()
    for index in order[:-1]:
        gangs.add(node(index))
        assert gangs.waiting == 0
    gangs.add(node(order[-1]))
    assert gangs.waiting == 3
    nodes, some = gangs.next()
    assert [one.place for one in some] == ["0", "1", "2"]
    assert (gangs.waiting, nodes.apart) == (0, False)


def test_gangs_of_different_places_do_not_wait_for_one_another() -> None:
    gangs = Gangs()
    for index in range(3):
        gangs.add(node(index, "4."))
        gangs.add(node(index, "5."))
    assert gangs.of(node(0, "4.")) is not gangs.of(node(2, "5."))
    assert [[one.place for one in gangs.next()[1]] for _ in range(2)] == [
        ["4.0", "4.1", "4.2"], ["5.0", "5.1", "5.2"],
    ]  # fmt: skip


def test_what_is_left_of_a_gang_starts_apart() -> None:
    gangs = Gangs()
    for index in (0, 2):
        gangs.succeeded(node(index))
    (one,) = gangs.add(node(1))
    assert (one.place, gangs.of(one).apart, gangs.waiting) == ("1", True, 0)


def test_a_gang_that_has_succeeded_is_forgotten() -> None:
    gangs = Gangs()
    nodes = gangs.of(node(0))
    for index in range(3):
        gangs.succeeded(node(index))
    assert nodes.left == 0
    assert gangs.of(node(0)) is not nodes


def test_who_ended_is_decided_on_once() -> None:
    gangs = Gangs()
    nodes = gangs.of(node(0))
    nodes.running |= {"a", "b", "c"}
    for name, index, outcome in (("b", 1, FAILED), ("a", 0, SUCCEEDED), ("c", 2, CANCELLED)):
        nodes.settle(name, node(index), record(node(index), outcome))
    assert not nodes.running
    assert [ready.place for ready, _ in nodes.take_ended()] == ["1", "2"]
    assert nodes.take_ended() == []


def test_the_earliest_moment_to_end_the_others_holds() -> None:
    gangs = Gangs()
    nodes = gangs.of(node(0))
    for moment_s in (30.0, 10.0, 20.0):
        gangs.broke(nodes, moment_s)
    assert gangs.broken[nodes] == 10.0


def test_cleared_they_never_start() -> None:
    gangs = Gangs()
    for index in range(3):
        gangs.add(node(index))
    gangs.clear()
    assert gangs.waiting == 0


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [((FAILED, LOST, CANCELLED), LOST), ((CANCELLED, FAILED), FAILED), ((CANCELLED,), CANCELLED)],
)
def test_one_that_the_platform_lost_makes_all_of_them_lost(outcomes: tuple[str, ...], together: str) -> None:
    assert outcome_of([(node(0), record(node(0), one)) for one in outcomes]) == together
