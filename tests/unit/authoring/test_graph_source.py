"""Source and graph: every form of `self.next`, read back from random sources, and what is refused with its line."""

from __future__ import annotations

import itertools
import linecache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import FlowSpec, step
from penstock.authoring.graph import Graph, Step
from penstock.authoring.graph_checks import problems
from penstock.authoring.graph_source import graph_of_class, graph_of_source, syntax_error
from penstock.errors import FlowError


def flow(*steps: str, head: str = "class F(FlowSpec):") -> str:
    """A class with these steps: `name: line; line`, `name(inputs): line`."""
    text = [head]
    for one in steps:
        name, _, lines = one.partition(": ")
        signature = name.replace("(inputs)", "(self, inputs)") if "(" in name else f"{name}(self)"
        text += ["    @step", f"    def {signature}:"] + [
            f"        {line.strip()}" for line in (lines or "pass").split(";")
        ]
    return "\n".join(text) + "\n"


FORMS = {
    "linear": ("self.next(self.a)", {"kind": "linear", "to": ("a",)}),
    "split": ("self.next(self.a, self.b, self.c)", {"kind": "split", "to": ("a", "b", "c")}),
    "foreach": ("self.next(self.a, foreach='xs')", {"kind": "foreach", "to": ("a",), "var": "xs"}),
    "parallel": ("self.next(self.a, num_parallel=4)", {"kind": "parallel", "to": ("a",)}),
    "parallel of a name": ("self.next(self.a, num_parallel=self.n)", {"kind": "parallel", "to": ("a",)}),
    "switch": (
        "self.next({'x': self.a, 'y': self.b}, condition='c')",
        {"kind": "switch", "to": ("a", "b"), "condition": "c", "cases": {"x": "a", "y": "b"}},
    ),
    "switch of two cases to one step": (
        "self.next({'x': self.a, 'y': self.a}, condition='c')",
        {"kind": "switch", "to": ("a",), "condition": "c", "cases": {"x": "a", "y": "a"}},
    ),
    "switch of numbers and truth": (
        "self.next({1: self.a, True: self.b}, condition='c')",
        {"kind": "switch", "to": ("a", "b"), "condition": "c", "cases": {"1": "a", "True": "b"}},
    ),
    "switch of names": (
        "self.next({Kind.A: self.a}, condition='c')", {
            "kind": "switch", "to": ("a",), "condition": "c", "cases": {"Kind.A": "a"}
        },
    ),
    "loop": (
        "self.next({'on': self.start, 'off': self.a}, condition='c')",
        {"kind": "switch", "to": ("start", "a"), "condition": "c", "cases": {"on": "start", "off": "a"}},
    ),
    "in a with": ("with open('x'): self.next(self.a)", {"kind": "linear", "to": ("a",)}),
    "over several lines": ("self.next(\nself.a,\nself.b,\n)", {"kind": "split", "to": ("a", "b")}),
    "none": ("x = 1", {"kind": "", "to": ()}),
    "of another object": ("it.next(self.a)", {"kind": "", "to": ()}),
    "of an iterator": ("next(self.it)", {"kind": "", "to": ()}),
    "only in a function inside": ("def f(self): self.next(self.a)", {"kind": "", "to": ()}),
    "only in a text": ("x = 'self.next(self.a)'", {"kind": "", "to": ()}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_next(form: str) -> None:
    line, expected = FORMS[form]
    found = graph_of_source(flow(f"start: {line}", "a", "b", "c", "end"), "f.py")["start"]
    assert {name: getattr(found, name) for name in expected} == expected


def test_the_first_argument_may_have_any_name() -> None:
    text = "class F(FlowSpec):\n    @step\n    def start(this):\n        this.next(this.end)\n"
    text += "    @step\n    def end(me): pass\n"
    assert graph_of_source(text, "f.py")["start"].to == ("end",)


def test_lines_docstrings_and_joins() -> None:
    text = flow("start: 'what it does'; x = 1; self.next(self.a)", "a(inputs): self.next(self.end)", "end")
    start, joined = (graph_of_source(text, "f.py")[name] for name in ("start", "a"))
    assert (start.line, start.next_line, start.doc, start.is_join) == (3, 6, "what it does", False)
    assert (joined.line, joined.next_line, joined.is_join) == (8, 9, True)
    assert graph_of_source("\n\n" + text, "f.py").line == 3


REFUSED = {
    "two calls": ("self.next(self.a); self.next(self.b)", "2 calls of self.next (lines 4, 5)", 5),
    "a text": ("self.next('a')", "not the text 'a'", 4),
    "a call": ("self.next(self.a())", "takes steps of the flow, not self.a()", 4),
    "a variable": ("self.next(a)", "takes steps of the flow, not a", 4),
    "a starred list": ("self.next(*self.all)", "takes steps of the flow", 4),
    "nothing": ("self.next()", "names no step", 4),
    "twice the same": ("self.next(self.a, self.a)", "names a step twice", 4),
    "unknown word": ("self.next(self.a, fan='x')", "no argument 'fan'", 4),
    "two words": ("self.next(self.a, foreach='x', num_parallel=2)", "one of foreach, num_parallel", 4),
    "foreach to two": ("self.next(self.a, self.b, foreach='x')", "a foreach goes to one step", 4),
    "foreach of a value": ("self.next(self.a, foreach=self.xs)", "name of an attribute as text, not self.xs", 4),
    "condition of a value": (
        "self.next({'x': self.a}, condition=self.x)", "name of an attribute as text, not self.x", 4
    ),
    "condition without cases": ("self.next(self.a, condition='x')", "a dict of cases", 4),
    "condition with no case": ("self.next({}, condition='x')", "a dict of cases", 4),
    "a case that is no step": ("self.next({'x': 'a'}, condition='x')", "not the text 'a'", 4),
    "words unpacked": ("self.next(self.a, **more)", "no argument None", 4),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_next_does_not_take(case: str) -> None:
    line, message, number = REFUSED[case]
    with pytest.raises(FlowError) as told:
        graph_of_source(flow(f"start: {line}", "a", "b", "end"), "f.py")
    assert message in told.value.message
    assert told.value.where == f"f.py:{number}"
    assert told.value.hint


@pytest.mark.parametrize(
    ("head", "start", "end"),
    [
        ("@step(start=True)", "first", "end"), ("@step(end=True)", "start", "first"),
        ("@step(start=True, end=True)", "first", "first"), ("@step(start=False)", "start", "end"),
        ("@step()", "start", "end"),
    ],
)  # fmt: skip
def test_marks_of_the_first_and_the_last_step(head: str, start: str, end: str) -> None:
    text = f"class F(FlowSpec):\n    {head}\n    def first(self): pass\n    @step\n    def other(self): pass\n"
    graph = graph_of_source(text, "f.py")
    assert (graph.start, graph.end) == (start, end)


def test_a_flow_of_one_step() -> None:
    graph = graph_of_source(flow("only"), "f.py")
    assert (graph.start, graph.end, graph["only"].kind) == ("only", "only", "end")
    assert problems(graph) == []


@pytest.mark.parametrize("text", ["", "x = 1", "class A: pass", "def f(): pass"])
def test_a_text_without_a_flow(text: str) -> None:
    with pytest.raises(FlowError, match="no flow"):
        graph_of_source(text, "f.py")


def test_one_of_several_flows_by_name() -> None:
    text = flow(
        "start: self.next(self.end)", "end", head="class A(FlowSpec):"
    ) + flow("only", head="class B(penstock.FlowSpec):")
    assert graph_of_source(text, "f.py").name == "A"
    assert graph_of_source(text, "f.py", "B").start == "only"
    with pytest.raises(FlowError, match="no flow C"):
        graph_of_source(text, "f.py", "C")


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("class A(:\n", "f.py:1", "syntax error"), ("x = (\n", "f.py:1", "was never closed"),
        ("x = 1\0", "f.py", "no Python source"), ("if 1:\nx = 2\n", "f.py:2", "x = 2"),
    ],
)  # fmt: skip
def test_what_is_no_python(text: str, where: str, message: str) -> None:
    with pytest.raises(FlowError) as told:
        graph_of_source(text, "f.py")
    assert told.value.where == where
    assert message in told.value.message
    assert told.value.hint.startswith("flow check")


def test_a_long_line_is_cut_in_the_message() -> None:
    error = SyntaxError("bad", ("f.py", 1, 1, "x" * 10_000))
    assert len(syntax_error(error, "f.py").message) < 200


# ---------------------------------------------------------------------------------------- from a live class


class Base(FlowSpec):
    """Two steps and a helper."""

    @step
    def start(self):
        self.next(self.end)

    def helper(self):
        self.next(self.nowhere)

    @step
    def end(self):
        pass


class Longer(Base):
    @step
    def start(self):
        self.next(self.middle)

    @step
    def middle(self):
        self.next(self.end)


class Left(Base):
    @step
    def start(self):
        self.next(self.left)

    @step
    def left(self):
        self.next(self.end)


class Right(Base):
    @step
    def end(self):
        """overridden"""


class Diamond(Left, Right):
    pass


class Removed(Longer):
    middle = None


@pytest.mark.parametrize(
    ("cls", "ways"),
    [
        (Base, {"start": ("end",), "end": ()}), (Longer, {"start": ("middle",), "middle": ("end",), "end": ()}),
        (Diamond, {"start": ("left",), "left": ("end",), "end": ()}), (Removed, {"start": ("middle",), "end": ()}),
    ],
)  # fmt: skip
def test_inherited_and_overridden_steps(cls: type[FlowSpec], ways: dict[str, tuple[str, ...]]) -> None:
    graph = graph_of_class(cls)
    assert {one.name: one.to for one in graph} == ways
    assert (graph.name, graph.file) == (cls.__name__, __file__)
    assert "helper" in graph.unmarked


def test_the_docstring_of_the_class_that_wins() -> None:
    assert graph_of_class(Diamond)["end"].doc == "overridden"
    assert graph_of_class(Base).doc == "Two steps and a helper."


def test_source_that_can_not_be_had() -> None:
    namespace: dict[str, object] = {"FlowSpec": FlowSpec, "step": step}
    exec(compile(flow("start: self.next(self.end)", "end"), "<made>", "exec"), namespace)
    with pytest.raises(FlowError, match=r"the source of F can't be read from <made>"):
        graph_of_class(namespace["F"])  # type: ignore[arg-type]


def test_a_cell_of_a_notebook() -> None:
    text = flow("start: self.next(self.end)", "end")
    linecache.cache["<cell 7>"] = (len(text), None, text.splitlines(True), "<cell 7>")
    namespace: dict[str, object] = {"FlowSpec": FlowSpec, "step": step, "__name__": "__main__"}
    try:
        exec(compile(text, "<cell 7>", "exec"), namespace)
        assert graph_of_class(namespace["F"])["start"].to == ("end",)  # type: ignore[arg-type]
    finally:
        del linecache.cache["<cell 7>"]


# ------------------------------------------------------------------------------------------- random graphs


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:  # noqa: C901  a block a kind
    """Steps of a well-formed flow: blocks in a row, each a plain step, a split, a foreach, a switch or a loop."""
    made: list[Step] = []

    def name() -> str:
        return f"s{len(made)}"

    def add(**facts: object) -> Step:
        made.append(Step(name(), **facts))  # type: ignore[arg-type]
        return made[-1]

    def leave(one: Step, target: str) -> None:
        one.to = (*one.to, target)
        if one.kind == "switch":
            one.cases["out"] = target

    def block(depth: int) -> tuple[Step, Step]:
        """First and last step; the last still has to be told where it goes."""
        kind = draw(st.sampled_from(["plain", "loop"] + ["split", "foreach", "parallel", "switch"] * (depth < 3)))
        if kind == "plain":
            one = add(kind="linear")
            return one, one
        if kind == "loop":
            one = add(kind="switch", condition="again")
            one.to, one.cases = (one.name,), {"again": one.name}
            return one, one
        opener = add(kind=kind if kind != "switch" else "switch", var="xs" if kind == "foreach" else None,
                     condition="which" if kind == "switch" else None)  # fmt: skip
        inner = [row(depth + 1) for _ in range(draw(st.integers(2, 3)) if kind in ("split", "switch") else 1)]
        last = add(kind="linear", is_join=kind != "switch")
        for number, (first, end) in enumerate(inner):
            opener.to = (*opener.to, first.name)
            if kind == "switch":
                opener.cases[f"case {number}"] = first.name
            leave(end, last.name)
        return opener, last

    def row(depth: int) -> tuple[Step, Step]:
        blocks = [block(depth) for _ in range(draw(st.integers(1, 2)))]
        for (_, end), (following, _) in itertools.pairwise(blocks):
            leave(end, following.name)
        return blocks[0][0], blocks[-1][1]

    first, last = row(0)
    leave(last, "end")
    if first.kind == "switch" and first.name in first.to:  # the first step can't be a loop
        made.append(Step("start", kind="linear", to=[first.name]))
        return [*made, Step("end", kind="end")]
    renamed = {first.name: "start"}
    for one in made:
        one.name = renamed.get(one.name, one.name)
        one.to = tuple(renamed.get(target, target) for target in one.to)
    return [*made, Step("end", kind="end")]


def written(steps: list[Step]) -> str:
    """The source of these steps."""
    text = ["class F(FlowSpec):"]
    for one in steps:
        text += ["    @step", f"    def {one.name}(self{', inputs' if one.is_join else ''}):"]
        targets = ", ".join(f"self.{target}" for target in one.to)
        if one.kind == "end":
            text.append("        pass")
        elif one.kind == "foreach":
            text.append(f"        self.next({targets}, foreach={one.var!r})")
        elif one.kind == "parallel":
            text.append(f"        self.next({targets}, num_parallel=2)")
        elif one.kind == "switch":
            cases = ", ".join(f"{case!r}: self.{target}" for case, target in one.cases.items())
            text.append(f"        self.next({{{cases}}}, condition={one.condition!r})")
        else:
            text.append(f"        self.next({targets})")
    return "\n".join(text) + "\n"


@given(graphs(), st.randoms(use_true_random=False))
def test_a_written_graph_is_read_back_whatever_the_order_of_its_steps(steps: list[Step], random: object) -> None:
    shuffled = list(steps)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    graph = graph_of_source(written(shuffled), "f.py")
    assert {(s.name, s.kind, s.to, s.is_join, s.var, s.condition, tuple(s.cases.items())) for s in graph} == {
        (s.name, s.kind, s.to, s.is_join, s.var, s.condition, tuple(s.cases.items())) for s in steps
    }
    assert problems(graph) == []


@given(graphs())
def test_nesting_closes_like_brackets_and_order_is_topological(steps: list[Step]) -> None:
    graph = Graph("F", steps)
    order = list(graph.steps)
    for one in graph:
        for target in one.to:
            if target != one.name:
                assert order.index(one.name) < order.index(target)
                assert one.name in graph[target].parents
        if one.kind in ("split", "foreach", "parallel"):
            assert one.join is not None
            assert graph[one.join].is_join
            assert graph[one.join].split_parents == one.split_parents
            assert graph[one.join].depth == one.depth
        assert one.depth == sum(graph[split].kind in ("foreach", "parallel") for split in one.split_parents)
    assert graph["end"].depth == 0


@given(graphs())
def test_a_graph_crosses_processes_as_data(steps: list[Step]) -> None:
    graph = Graph("F", steps, file="f.py", line=3, doc="d")
    again = Graph.of(graph.data())
    assert again.data() == graph.data()
    assert [(s.name, s.depth, s.join, s.parents, s.split_branches) for s in again] == [
        (s.name, s.depth, s.join, s.parents, s.split_branches) for s in graph
    ]


@given(graphs(), st.data())
def test_a_graph_with_one_step_less_is_refused(steps: list[Step], data: st.DataObject) -> None:
    """Whatever is missing, something is said of it, and nothing raises."""
    gone = data.draw(st.sampled_from(steps))
    graph = Graph("F", [one for one in steps if one is not gone])
    assert problems(graph)
    assert all(problem.message for problem in problems(graph))
