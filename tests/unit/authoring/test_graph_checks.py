"""What can be wrong with a graph: source, message, line, and what to write there."""

from __future__ import annotations

import pytest

from penstock.authoring.graph import Graph, Step
from penstock.authoring.graph_checks import RESERVED, Problem, check, problems
from penstock.authoring.graph_source import graph_of_source
from penstock.errors import FlowError


def source(*steps: str) -> str:
    """`name: line` or `name(inputs): line`; the step of number n, from 0, has its `def` in line 3 n + 3."""
    text = ["class F(FlowSpec):"]
    for one in steps:
        name, _, line = one.partition(": ")
        signature = name.replace("(inputs)", "(self, inputs)") if "(" in name else f"{name}(self)"
        text += ["    @step", f"    def {signature}:", f"        {line or 'pass'}"]
    return "\n".join(text if steps else [*text, "    pass"]) + "\n"


FANNED = ("start: self.next(self.a, foreach='xs')", "a: self.next(self.j)", "j(inputs): self.next(self.end)", "end")
SPLIT = (
    "start: self.next(self.a, self.b)",
    "a: self.next(self.j)",
    "b: self.next(self.j)",
    "j(inputs): self.next(self.end)",
    "end",
)

WRONG = {
    "no steps": ((), "F has no steps", 1, "@step"),
    "no start": (("first: self.next(self.end)", "end"), "no step 'start', where a flow begins", 3, "@step(start=True)"),
    "no end": (("start: self.next(self.last)", "last"), "no step 'end', where a flow ends", 3, "@step(end=True)"),
    "reserved": (
        ("start: self.next(self.index)", "index: self.next(self.end)", "end"),
        "'index' has a name that penstock needs",
        6,
        "another name",
    ),
    "private": (("start: self.next(self._a)", "_a: self.next(self.end)", "end"), "'_a' has a name", 6, "another name"),
    "no next": (("start: self.next(self.a)", "a", "end"), "'a' has no self.next", 6, "self.next(self.end)"),
    "next of the last": (
        ("start: self.next(self.end)", "end: self.next(self.start)"),
        "must not call self.next",
        7,
        "remove",
    ),
    "missing": (
        ("start: self.next(self.midle)", "middle: self.next(self.end)", "end"),
        "'midle', which is no step",
        4,
        "did you mean self.middle?",
    ),
    "missing, nothing near": (
        ("start: self.next(self.xyz)", "end"),
        "'xyz', which is no step",
        4,
        "steps are: start, end",
    ),
    "itself": (("start: self.next(self.a)", "a: self.next(self.a)", "end"), "'a' goes to itself", 7, "condition="),
    "back to the first": (
        ("start: self.next(self.a)", "a: self.next(self.start)", "end"),
        "goes back to the first step 'start'",
        7,
        "switches to itself",
    ),
    "straight into the join": (
        ("start: self.next(self.j, foreach='x')", "j(inputs): self.next(self.end)", "end"),
        "splits straight into the join 'j'",
        4,
        "between",
    ),
    "endless switch": (
        ("start: self.next(self.a)", "a: self.next({'x': self.a}, condition='c')", "end"),
        "it never ends",
        7,
        "a case that leaves",
    ),
    "never reached": (
        ("start: self.next(self.end)", "a: self.next(self.end)", "end"),
        "'a' is never reached",
        6,
        "name it",
    ),
    "an island": (
        (
            "start: self.next(self.end)",
            "a: self.next(self.b)",
            "b: self.next({'x': self.b, 'y': self.a}, condition='c')",
            "end",
        ),
        "'a' is never reached",
        6,
        "name it",
    ),
    "a dead end": (
        (
            "start: self.next({'x': self.end, 'y': self.a}, condition='c')",
            "a: self.next(self.b)",
            "b: self.next({'x': self.a, 'y': self.b}, condition='c')",
            "end",
        ),
        "never leads to 'end'",
        7,
        "self.next(self.end)",
    ),
    "cycle of two": (
        (
            "start: self.next(self.a)",
            "a: self.next(self.b)",
            "b: self.next({'x': self.a, 'y': self.end}, condition='c')",
            "end",
        ),
        "closes a cycle: a -> b -> a",
        10,
        "switches to itself",
    ),
    "inputs without a split": (
        ("start: self.next(self.a)", "a(inputs): self.next(self.end)", "end"),
        "takes `inputs`, but no split",
        6,
        "def a(self)",
    ),
    "a first step with inputs": (
        ("start(inputs): self.next(self.end)", "end"),
        "takes `inputs`, but no split",
        3,
        "def start(self)",
    ),
    "split never joined": (
        ("start: self.next(self.a, self.b)", "a: self.next(self.end)", "b: self.next(self.end)", "end"),
        "'end' is reached by two branches of 'start' but does not join them",
        12,
        "def end(self, inputs):",
    ),
    "foreach never joined": (
        ("start: self.next(self.a, foreach='x')", "a: self.next(self.end)", "end"),
        "'end' is reached while the split of 'start' is still open",
        9,
        "inputs",
    ),
    "join without inputs": (
        (*SPLIT[:3], "j: self.next(self.end)", "end"),
        "'j' is reached by two branches of 'start'",
        12,
        "def j(self, inputs):",
    ),
    "two joins of one split": (
        (
            "start: self.next(self.a, self.b)",
            "a: self.next(self.j)",
            "b: self.next(self.k)",
            "j(inputs): self.next(self.end)",
            "k(inputs): self.next(self.end)",
            "end",
        ),
        "opens a split that two joins close: 'j' and 'k'",
        4,
        "one join",
    ),
    "joined once too often": (
        (*FANNED[:2], "j(inputs): self.next(self.k)", "k(inputs): self.next(self.end)", "end"),
        "takes `inputs`, but no split",
        12,
        "def k(self)",
    ),
    "joined once too seldom": (
        (
            "start: self.next(self.a, foreach='x')",
            "a: self.next(self.b, foreach='y')",
            "b: self.next(self.j)",
            "j(inputs): self.next(self.end)",
            "end",
        ),
        "the split of 'start' is still open",
        15,
        "inputs",
    ),
    "another number of open splits": (
        (
            "start: self.next(self.a, self.b)",
            "a: self.next(self.c, foreach='x')",
            "b: self.next(self.j)",
            "c: self.next(self.j)",
            "j(inputs): self.next(self.end)",
            "end",
        ),
        "goes to 'j', which is also reached with another number of open splits",
        None,
        "brackets",
    ),
    "two splits at once": (
        (
            "start: self.next(self.a, self.b)",
            "a: self.next(self.c, foreach='x')",
            "b: self.next(self.d, foreach='x')",
            "c: self.next(self.j)",
            "d: self.next(self.j)",
            "j(inputs): self.next(self.k)",
            "k(inputs): self.next(self.end)",
            "end",
        ),
        "'j' would close two splits at once: 'a' and 'b'",
        18,
        "a join of its own",
    ),
    "switch into two joins": (
        (
            "start: self.next(self.a, foreach='x')",
            "a: self.next({'x': self.j, 'y': self.k}, condition='c')",
            "j(inputs): self.next(self.end)",
            "k(inputs): self.next(self.end)",
            "end",
        ),
        "that two joins close",
        4,
        "one join",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong(case: str) -> None:
    steps, message, line, hint = WRONG[case]
    graph = graph_of_source(source(*steps), "f.py")
    first = problems(graph)[0]
    assert message in first.message
    assert first.file == "f.py"
    assert line in (None, first.line)
    assert hint in first.hint
    with pytest.raises(FlowError) as told:
        check(graph)
    assert told.value.where == f"f.py:{first.line}"
    assert first.message in told.value.message


RIGHT = {
    "linear": ("start: self.next(self.end)", "end"),
    "foreach": FANNED,
    "split": SPLIT,
    "many nodes": ("start: self.next(self.a, num_parallel=2)", *FANNED[1:]),
    "join at the end": ("start: self.next(self.a, foreach='x')", "a: self.next(self.end)", "end(inputs)"),
    "join that splits": (
        "start: self.next(self.a, foreach='x')",
        "a: self.next(self.j)",
        "j(inputs): self.next(self.b, foreach='y')",
        "b: self.next(self.k)",
        "k(inputs): self.next(self.end)",
        "end",
    ),
    "switch that meets": (
        "start: self.next({'x': self.a, 'y': self.b}, condition='c')",
        "a: self.next(self.m)",
        "b: self.next(self.m)",
        "m: self.next(self.end)",
        "end",
    ),
    "switch past a step": (
        "start: self.next({'x': self.a, 'y': self.end}, condition='c')",
        "a: self.next(self.end)",
        "end",
    ),
    "loop": ("start: self.next(self.a)", "a: self.next({'x': self.a, 'y': self.end}, condition='c')", "end"),
    "loop of the first step": ("start: self.next({'x': self.start, 'y': self.end}, condition='c')", "end"),
    "switch into one join": (
        "start: self.next(self.a, foreach='x')",
        "a: self.next({'x': self.b, 'y': self.j}, condition='c')",
        "b: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end",
    ),
    "a split of one branch with a split": (
        "start: self.next(self.a, self.b)",
        "a: self.next(self.c, self.d)",
        "c: self.next(self.k)",
        "d: self.next(self.k)",
        "k(inputs): self.next(self.j)",
        "b: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right(case: str) -> None:
    graph = graph_of_source(source(*RIGHT[case]), "f.py")
    assert problems(graph) == []
    check(graph)


def test_a_method_without_step_is_told_apart_from_one_that_is_not_there() -> None:
    text = source("start: self.next(self.a)", "end") + "    def a(self):\n        self.next(self.end)\n"
    (problem,) = problems(graph_of_source(text, "f.py"))
    assert problem.message == "step 'start' goes to 'a', which is no step: it lacks @step"
    assert "above def a(self)" in problem.hint


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("foreach", "catch", "where a foreach goes"), ("parallel", "catch", "where a foreach goes"),
        ("linear", "parallel", "by num_parallel"),
    ],
)  # fmt: skip
def test_decorators_that_do_not_go_with_a_step(kind: str, name: str, message: str) -> None:
    steps = [
        Step("start", kind=kind, to=["a"], line=3, decorators=[{"name": name}]), Step("a", kind="linear", to=["j"]),
        Step("j", kind="linear", to=["end"], is_join=kind != "linear"), Step("end", kind="end"),
    ]  # fmt: skip
    (problem,) = problems(Graph("F", steps, file="f.py"))
    assert message in problem.message
    assert problem.line == 3


def test_several_problems_are_told_together() -> None:
    graph = graph_of_source(source("start: self.next(self.x)", "a", "end: self.next(self.a)"), "f.py")
    with pytest.raises(FlowError) as told:
        check(graph)
    assert told.value.where == "f.py:4"
    assert "and 2 more:" in told.value.message
    assert "f.py:6: step 'a' has no self.next" in told.value.message


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_names_that_flows_need_for_themselves(name: str) -> None:
    graph = graph_of_source(source(f"start: self.next(self.{name})", f"{name}: self.next(self.end)", "end"), "f.py")
    assert repr(name) in problems(graph)[0].message


def test_a_problem_is_data() -> None:
    problem = Problem("m", "f.py", 3, "h")
    assert problem.data() == {"message": "m", "file": "f.py", "line": 3, "hint": "h"}
    assert repr(problem) == "f.py:3: m"
