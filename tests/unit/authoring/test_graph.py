"""Steps under Metaflow's names, and graphs that are not whole: they can be made and looked at all the same."""

from __future__ import annotations

import pytest

from penstock.authoring.graph import Graph, Step

WHOLE = Graph(
    "F",
    [
        Step("end", kind="end"),
        Step("join", kind="linear", to=["end"], is_join=True),
        Step("a", kind="linear", to=["join"]),
        Step("b", kind="switch", to=["b", "join"], condition="c", cases={"x": "b", "y": "join"}),
        Step("start", kind="split", to=["a", "b"]),
    ],
)


def test_order_is_that_of_the_flow_not_of_the_source() -> None:
    assert [one.name for one in WHOLE] == ["start", "a", "b", "join", "end"]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Step("s", kind="linear"), "linear"), (Step("s", kind="linear", is_join=True), "join"),
        (Step("s", kind="end"), "end"), (Step("s", kind="end", is_join=True), "join"),
        (Step("s", kind="split"), "split"), (Step("s", kind="foreach"), "foreach"),
        (Step("s", kind="foreach", is_join=True), "foreach"), (Step("s", kind="switch"), "split-switch"),
    ],
)  # fmt: skip
def test_types_under_metaflow_s_names(step: Step, kind: str) -> None:
    assert step.type == kind


def test_what_leads_where() -> None:
    join = WHOLE["join"]
    assert (join.in_funcs, join.out_funcs) == (["a", "b"], ["end"])
    assert (WHOLE["start"].in_funcs, WHOLE["start"].join) == ([], "join")
    assert (WHOLE["a"].split_parents, WHOLE["a"].split_branches) == (("start",), ("a",))
    assert "a" in WHOLE
    assert "x" not in WHOLE
    assert repr(join) == "<Step join linear join -> end>"


def test_parallel_steps_are_known_by_their_decorator() -> None:
    assert Step("s", kind="linear", decorators=[{"name": "parallel"}]).parallel_step
    assert not Step("s", kind="linear", decorators=[{"name": "retry"}]).parallel_step


def test_data_of_a_step_leaves_out_what_is_empty() -> None:
    assert Step("s", kind="end").data() == {"name": "s", "kind": "end"}
    full = Step("s", kind="switch", to=["a"], condition="c", cases={"x": "a"}, file="f", line=3, next_line=5, doc="d")
    assert Step(**full.data()).data() == full.data()


@pytest.mark.parametrize(
    "steps",
    [
        [], [Step("end", kind="end")], [Step("start", kind="linear", to=["nowhere"])],
        [Step("start", kind="linear", to=["start"])],
        [Step("start", kind="linear", to=["a"]), Step("a", kind="linear", to=["start"])],
        [Step("start", kind="linear", to=["j"]), Step("j", kind="end", is_join=True)],
        [Step("start", kind="foreach", to=["start"], var="x")],
    ],
)  # fmt: skip
def test_a_graph_with_faults_can_be_made(steps: list[Step]) -> None:
    graph = Graph("F", steps)
    assert {one.name for one in graph} == {one.name for one in steps}
    assert Graph.of(graph.data()).data() == graph.data()


def test_a_header_of_an_earlier_version_has_no_line() -> None:
    data = WHOLE.data()
    del data["line"]
    assert Graph.of(data).line == 1


def test_a_long_chain_is_no_deep_recursion() -> None:
    steps = [
        Step("start", kind="linear", to=["s0"]), *(Step(f"s{i}", kind="linear", to=[f"s{i + 1}"]) for i in range(5000))
    ]
    graph = Graph("F", [*steps, Step("s5000", kind="end")], end="s5000")
    assert list(graph.steps)[-1] == "s5000"
