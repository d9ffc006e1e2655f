"""Tasks that wait for room: none is lost or comes twice, each in its turn, and a foreach is read as it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from penstock.running.backlog import Backlog
from penstock.running.plan import Ready


def taken(backlog: Backlog, now_s: float) -> list[str]:
    found = []
    while (ready := backlog.next(now_s)) is not None:
        found.append(ready.step)
    return found


def test_what_may_start_at_once_comes_first_then_each_foreach_in_turn() -> None:
    backlog, read = Backlog(), []

    def foreach(name: str) -> Iterator[Ready]:
        for index in range(3):
            read.append(f"{name}{index}")
            yield Ready(name, str(index))

    backlog.add_wide(foreach("a"))
    backlog.add_wide(foreach("b"))
    assert backlog.next(0.0).step == "a"
    assert read == ["a0"], "nobody has asked for more"
    backlog.add([Ready("now", "0")])
    assert taken(backlog, 0.0) == ["now", "a", "a", "b", "b", "b"]
    assert backlog.next(0.0) is None


MOMENTS = st.lists(st.floats(0, 10), max_size=8)


@given(MOMENTS, MOMENTS)
def test_nobody_comes_before_the_own_moment_and_everybody_after_it(moments: list[float], looks: list[float]) -> None:
    backlog = Backlog()
    for number, moment_s in enumerate(moments):
        backlog.add_later(Ready(str(number), "0"), moment_s)
    came: list[str] = []
    for now_s in [*sorted(looks), 10.0]:
        came += taken(backlog, now_s)
        assert sorted(came) == sorted(str(number) for number, moment_s in enumerate(moments) if moment_s <= now_s)
        assert backlog.moment_s == min((moment_s for moment_s in moments if moment_s > now_s), default=None)
    assert [moments[int(name)] for name in came] == sorted(moments)


def test_what_is_cleared_never_comes() -> None:
    backlog = Backlog()
    backlog.add([Ready("a", "0")])
    backlog.add_wide(iter([Ready("b", "0")]))
    backlog.add_later(Ready("c", "0"), 0.0)
    backlog.clear()
    assert backlog.moment_s is None
    assert backlog.next(1.0) is None
