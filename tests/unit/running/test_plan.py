"""The fold of records: each task ready once, joins exactly when their chains are in, in whatever order tasks finish."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.authoring.graph import Graph, Step
from penstock.running.plan import (
    FREE_LOSSES,
    SETTLED,
    SUCCESSOR,
    WATCH,
    Past,
    Plan,
    Policy,
    Ready,
    next_attempt,
    reconcile,
    run_outcome,
    taken,
    together,
)
from penstock.values import CANCELLED, FAILED, LOST, PARAMETERS_STEP, SUCCEEDED, Record

# start -> (left, right); left: foreach of foreach, joined twice; right: a switch into a loop; then join, end
NESTED = Graph(
    "F",
    [
        Step("start", kind="split", to=["left", "right"]),
        Step("left", kind="foreach", to=["each"], var="xs"),
        Step("each", kind="foreach", to=["leaf"], var="ys"),
        Step("leaf", kind="linear", to=["inner"]),
        Step("inner", kind="linear", to=["outer"], is_join=True),
        Step("outer", kind="linear", to=["join"], is_join=True),
        Step("right", kind="switch", to=["loop", "meet"], condition="c"),
        Step("loop", kind="switch", to=["loop", "meet"], condition="c"),
        Step("meet", kind="linear", to=["join"]),
        Step("join", kind="linear", to=["end"], is_join=True),
        Step("end", kind="end"),
    ],
)


def success(ready: Ready, transition: dict[str, object]) -> Record:
    return Record(
        flow="F", run="r", step=ready.step, place=ready.place, attempt=0, outcome=SUCCEEDED, token="t",
        transition=transition,
    )  # fmt: skip


class Walk:
    """Finishes ready tasks in a random order, with widths and turns of its own."""

    def __init__(self, seed: int, widths: tuple[int, int], turns: int) -> None:
        self.random, self.widths, self.turns = random.Random(seed), widths, turns
        self.plan = Plan(NESTED)
        self.seen: dict[tuple[str, str], Ready] = {}

    def transition(self, ready: Ready) -> dict[str, object]:
        if ready.step == PARAMETERS_STEP:
            return {"kind": "linear", "to": ["start"]}
        step = NESTED.steps[ready.step]
        if step.kind == "foreach":
            return {"kind": "foreach", "to": list(step.to), "width": self.widths[ready.step == "each"], "var": "x"}
        if step.kind == "switch":
            turn = int(ready.place.partition("~")[2] or 0)
            wants = self.turns > 0 if ready.step == "right" else turn + 1 < self.turns
            return {"kind": "switch", "to": ["loop" if wants else "meet"]}
        return {"kind": step.kind, "to": list(step.to)}

    def run(self) -> None:
        waiting = self.plan.begin()
        while waiting:
            ready = waiting.pop(self.random.randrange(len(waiting)))
            assert ready.task not in self.seen, f"{ready} is ready twice"
            self.seen[ready.task] = ready
            waiting += self.plan.add(success(ready, self.transition(ready)), f"{ready.step}/{ready.place}")


@given(st.integers(), st.tuples(st.integers(0, 5), st.integers(0, 4)), st.integers(0, 4))
def test_any_order_gives_the_same_tasks_and_joins(seed: int, widths: tuple[int, int], turns: int) -> None:
    walk = Walk(seed, widths, turns)
    walk.run()
    outer, inner = widths
    assert walk.plan.finished
    expected = {(name, "0") for name in ("left", "right", "start", "outer", "meet", "join", "end")}
    expected |= {(PARAMETERS_STEP, "0")}
    expected |= {("each", str(i)) for i in range(outer)} | {("inner", str(i)) for i in range(outer)}
    expected |= {("leaf", f"{i}.{j}") for i in range(outer) for j in range(inner)}
    expected |= {("loop", f"0~{turn}" if turn else "0") for turn in range(turns)}
    assert set(walk.seen) == expected
    assert walk.seen["outer", "0"].parents == tuple(f"inner/{i}" for i in range(outer))
    assert walk.seen["join", "0"].parents == ("outer/0", "meet/0")
    for i in range(outer):
        joined = walk.seen["inner", str(i)]
        assert joined.parents == tuple(f"leaf/{i}.{j}" for j in range(inner))
        assert (joined.split == f"each/{i}") == (inner == 0)


def test_what_is_no_success_is_refused() -> None:
    lost = Record(flow="F", run="r", step="start", place="0", attempt=0, outcome=LOST, token="t")
    with pytest.raises(ValueError, match="no success"):
        list(Plan(NESTED).add(lost, "key"))


# ------------------------------------------------------------------------------------------------ resume


def standing_of(walk: Walk, without: set[str] = frozenset()) -> dict[tuple[str, str], tuple[Record, str]]:  # type: ignore[assignment]
    return {
        task: (success(ready, walk.transition(ready)), f"{ready.step}/{ready.place}")
        for task, ready in walk.seen.items()
        if ready.step not in without
    }


@given(st.sets(st.sampled_from([*NESTED.steps])), st.sampled_from([None, *NESTED.steps]))
def test_a_resumed_run_takes_only_what_all_its_ancestors_left(undone: set[str], again: str | None) -> None:
    walk = Walk(1, (2, 2), 2)
    walk.run()
    found = {(r.step, r.place) for r in taken(NESTED, standing_of(walk, undone), again)[0]}
    assert all(step not in undone and step != again for step, _ in found)
    for task in found:
        for parent in walk.seen[task].parents:
            step, _, place = parent.partition("/")
            assert (step, place) in found
    if not undone and again is None:
        assert found == set(walk.seen)


def test_a_step_that_goes_elsewhere_now_is_done_again() -> None:
    walk = Walk(1, (2, 2), 0)
    walk.run()
    changed = Graph("F", [_copy(step) for step in NESTED])
    changed.steps["leaf"].to = ("elsewhere",)
    found = {record.step for record in taken(changed, standing_of(walk))[0]}
    assert "each" in found
    assert "leaf" not in found


def _copy(step: Step) -> Step:
    return Step(**step.data())


# ---------------------------------------------------------------------------------------------- attempts


def past(*outcomes: str, raised: bool = True, handler: bool = False, writer: str = "driver") -> Past:
    found = Past()
    for number, outcome in enumerate(outcomes):
        exception = {"message": "no"} if outcome == FAILED and raised else None
        record = Record(
            flow="F", run="r", step="s", place="0", attempt=number, outcome=outcome, token="t",
            exception=exception, reason="" if raised else "killed", handler=handler, writer=writer,
        )  # fmt: skip
        found.add(record)
    return found


@pytest.mark.parametrize(
    ("before", "policy", "number", "last", "handler"),
    [
        (None, Policy(), 0, True, None),
        (None, Policy(2), 0, False, None),
        (past(FAILED), Policy(2), 1, False, None),
        (past(FAILED, FAILED), Policy(2), 2, True, None),
        (past(FAILED, FAILED, FAILED), Policy(2), None, None, None),
        (past(LOST), Policy(), 1, True, None),
        (past(*[LOST] * FREE_LOSSES), Policy(), 3, True, None),
        (past(*[LOST] * (FREE_LOSSES + 1)), Policy(), None, None, None),
        (past(*[LOST] * (FREE_LOSSES + 1), writer=SUCCESSOR), Policy(), FREE_LOSSES + 1, True, None),
        (past(CANCELLED), Policy(), 1, True, None),
        (past(LOST, FAILED), Policy(1), 2, True, None),
        (past(FAILED), Policy(catches=True), None, None, None),
        (past(FAILED, raised=False), Policy(catches=True), 1, True, "killed"),
        (past(FAILED, raised=False, handler=True), Policy(catches=True), None, None, None),
    ],
)
def test_the_attempt_after_a_past(
    before: Past | None, policy: Policy, number: int | None, last: bool | None, handler: str | None
) -> None:
    found = next_attempt(before, policy)
    if number is None:
        assert found is None
    else:
        assert found is not None
        assert (found.number, found.last, found.handler) == (number, last, handler)


@pytest.mark.parametrize(
    ("lost", "code", "record", "verdict"),
    [
        (False, 0, True, SETTLED),
        (False, 1, True, SETTLED),
        (True, None, True, SETTLED),
        (False, 0, False, FAILED),
        (False, 1, False, FAILED),
        (False, -9, False, FAILED),
        (False, 75, False, WATCH),
        (True, None, False, LOST),
    ],
)
def test_job_and_record_together(lost: bool, code: int | None, record: bool, verdict: str) -> None:
    assert reconcile(lost, code, record) == verdict


@pytest.mark.parametrize(
    ("finished", "cancelled", "failed", "outcome"),
    [
        (True, False, [], SUCCEEDED),
        (False, False, ["x"], FAILED),
        (True, False, ["x"], FAILED),
        (False, False, [], FAILED),
        (True, True, [], CANCELLED),
    ],
)
def test_how_a_run_ends(finished: bool, cancelled: bool, failed: list[str], outcome: str) -> None:
    assert run_outcome(finished, cancelled, failed) == outcome


def past_of(*outcomes: str) -> Past:
    found = Past()
    for number, outcome in enumerate(outcomes):
        found.add(Record(flow="F", run="r", step="s", place="0", attempt=number, outcome=outcome, token="t"))
    return found


@pytest.mark.parametrize(
    ("pasts", "failed", "lost"),
    [
        ([("failed",), ("failed",)], 1, 0),  # one attempt of all, not one of each
        ([("failed",), ("lost",)], 0, 1),  # the loss of one is why the other failed
        ([("failed", "lost"), ("cancelled", "failed")], 1, 1),
        ([("cancelled",), None], 0, 0),
    ],
)
def test_the_nodes_of_a_gang_are_tried_again_as_one_task(
    pasts: list[tuple[str, ...] | None], failed: int, lost: int
) -> None:
    found = together([past_of(*one) if one else None for one in pasts])
    assert found is not None
    assert (found.failed.bit_count(), found.lost.bit_count()) == (failed, lost)
    assert found.total == max(len(one or ()) for one in pasts)
    assert together([None, None]) is None
