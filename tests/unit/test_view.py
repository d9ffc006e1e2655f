"""A run as one value: lineage, states, counts, failures."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import view
from penstock.authoring.graph_source import graph_of_source
from penstock.values import CANCELLED, DIED, FAILED, LOST, RUNNING, SUCCEEDED, Record, Transition

HEADER = {"flow": "F", "run": "r", "started_s": 10.0, "user": "ann", "parameters": {"a": "1"}}
HEADER |= {"system_tags": ["user:ann"]}
NESTED = """
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.mid, foreach="outer")
    @step
    def mid(self):
        self.next(self.leaf, foreach="inner")
    @step
    def leaf(self):
        self.next(self.join_inner)
    @step
    def join_inner(self, inputs):
        self.next(self.join_outer)
    @step
    def join_outer(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
LOOP = """
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.again)
    @step
    def again(self):
        self.next({"more": self.again, "enough": self.end}, condition="state")
    @step
    def end(self):
        pass
"""


def record(step, place="0", kind="linear", to=(), width=None, outcome=SUCCEEDED, attempt=0, **more):
    transition = Transition(kind, to, width).data() if outcome == SUCCEEDED else None
    return Record(
        flow="F", run=more.pop("run", "r"), step=step, place=place, attempt=attempt, outcome=outcome, token="t",
        transition=transition, started_s=10.0, ended_s=12.0, **more,
    )  # fmt: skip


def folded(*found):
    tasks = {}
    for one in found:
        tasks.setdefault((one.step, one.place), []).append(one)
    return tasks


def nested(widths):
    """Records of a whole run of NESTED; `widths`: the inner width of each outer item."""
    yield record("_parameters", to=["start"])
    yield record("start", kind="foreach", to=["mid"], width=len(widths))
    for outer, width in enumerate(widths):
        yield record("mid", str(outer), kind="foreach", to=["leaf"], width=width)
        for inner in range(width):
            yield record("leaf", f"{outer}.{inner}", to=["join_inner"])
        yield record("join_inner", str(outer), to=["join_outer"])
    yield record("join_outer", to=["end"])
    yield record("end", kind="end")


@pytest.mark.parametrize(
    ("outcome", "alive", "status"),
    [
        (None, True, RUNNING),
        (None, False, DIED),
        (SUCCEEDED, False, SUCCEEDED),
        (FAILED, True, FAILED),
        (CANCELLED, False, CANCELLED),
    ],
)
def test_status(outcome, alive, status):
    assert view.status_of(outcome, alive) == status


@given(st.lists(st.integers(0, 4), max_size=4))
def test_lineage_knows_every_task_and_its_neighbours(widths):
    graph, tasks = graph_of_source(NESTED, "f.py"), folded(*nested(widths))
    found = view.lineage(graph, tasks)
    assert found.finished
    assert set(found.parents) == set(tasks)
    for outer, width in enumerate(widths):
        leaves = tuple(("leaf", f"{outer}.{inner}") for inner in range(width))
        # the join of a foreach over nothing reads the split itself
        assert found.parents["join_inner", str(outer)] == (leaves or (("mid", str(outer)),))
    for task, parents in found.parents.items():
        assert all(task in found.children(parent) for parent in parents)
    assert view.is_whole(graph, tasks, "r")


@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.data())
def test_a_run_without_one_of_its_records_is_not_whole(widths, data):
    every = list(nested(widths))
    missing = data.draw(st.sampled_from(every))
    tasks = folded(*(one for one in every if one is not missing))
    assert not view.is_whole(graph_of_source(NESTED, "f.py"), tasks, "r")


def test_a_run_without_a_failed_attempt_is_not_whole_unless_it_took_the_task():
    graph = graph_of_source(LOOP, "f.py")
    others = [
        record("_parameters", to=["start"]),
        record("again", kind="switch", to=["end"]),
        record("end", kind="end"),
    ]
    second = record("start", to=["again"], attempt=1)
    assert not view.is_whole(graph, folded(*others, second), "r")
    assert view.is_whole(graph, folded(*others, record("start", outcome=FAILED), second), "r")
    taken = record("start", to=["again"], attempt=1, run="origin")
    assert view.is_whole(graph, folded(*others, taken), "r")


def test_a_loop_is_followed_turn_by_turn():
    graph = graph_of_source(LOOP, "f.py")
    tasks = folded(
        record("_parameters", to=["start"]),
        record("start", to=["again"]),
        record("again", kind="switch", to=["again"]),
        record("again", "0~1", kind="switch", to=["end"]),
    )
    found = view.lineage(graph, tasks)
    assert found.parents["end", "0"] == (("again", "0~1"),)
    assert found.children(("again", "0")) == [("again", "0~1")]
    assert not found.finished


def test_tasks_that_wait_are_there_only_while_the_run_goes_on():
    graph = graph_of_source(NESTED, "f.py")
    tasks = folded(record("_parameters", to=["start"]), record("start", kind="foreach", to=["mid"], width=11))
    running = view.view_of(HEADER, graph, tasks, RUNNING)
    assert running.steps[1].counts == {RUNNING: 11}
    assert [task.place for task in running.steps[1].tasks] == [str(index) for index in range(11)]
    died = view.view_of(HEADER, graph, tasks, DIED)
    assert died.steps[1].counts == {LOST: 11}, "what ran or waited went with its scheduler"
    assert not died.failures


def test_three_hundred_tasks_with_one_cause_are_one_failure():
    graph = graph_of_source(NESTED, "f.py")
    error = {"type": "ValueError", "message": "x", "file": "f.py", "line": 3}
    tasks = folded(
        *(record("mid", str(n), outcome=FAILED, exception={**error, "message": f"x {n}"}) for n in range(300)),
        record("leaf", "0.0", outcome=LOST, reason="its host died"),
    )
    made = view.view_of(HEADER, graph, tasks, FAILED, {"ended_s": 20.0})
    assert [(failure.text, failure.where, len(failure.tasks)) for failure in made.failures] == [
        ("ValueError: x 0", "f.py:3", 300),
        ("its host died", "", 1),
    ]
    assert made.counts == {FAILED: 300, LOST: 1}
    assert made.ended_s == 20.0


def test_counts_times_and_retries_of_a_step():
    graph = graph_of_source(LOOP, "f.py")
    slow = record("again", "0~1", kind="switch", to=["end"], attempt=1)
    slow.ended_s = 30.0
    tasks = folded(
        record("again", kind="switch", to=["again"]),
        record("again", "0~1", outcome=FAILED, attempt=0),
        slow,
    )
    (step,) = view.view_of(HEADER, graph, tasks, SUCCEEDED).steps
    assert (step.state, step.counts, step.retried, step.wall_s) == (SUCCEEDED, {SUCCEEDED: 2}, 1, 20.0)
    assert step.slowest.place == "0~1"
    assert step.slowest.wall_s == 22.0


def test_the_view_is_json():
    graph = graph_of_source(NESTED, "f.py")
    made = view.view_of(HEADER, graph, folded(*nested([1, 2])), SUCCEEDED, {"ended_s": 12.0}, ["b"])
    data = json.loads(json.dumps(made.data()))
    assert (data["status"], data["tags"], data["parameters"]) == (SUCCEEDED, ["b"], {"a": "1"})
    assert [step["tasks"] for step in data["steps"]] == [1, 2, 3, 2, 1, 1]
    assert json.dumps([task.data() for step in made.steps for task in step.tasks])
