"""What a step's body may do with `self` and `inputs`: attributes, deletions, `self.next`, merging, and refusals."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import FlowSpec, Parameter, step
from penstock.authoring.flow import (
    Binding,
    ForeachFrame,
    Input,
    Inputs,
    MissingInMergeArtifactsException,
    UnhandledInMergeArtifactsException,
    assigned,
    bind,
    constants_of,
)
from penstock.authoring.graph import Graph, Step
from penstock.errors import ArtifactError, FlowError


class F(FlowSpec):
    """Any steps will do: the binding says which one runs."""

    CONSTANT = 3
    alpha = Parameter("alpha", default=1)

    @step
    def start(self) -> None:
        pass

    @step
    def a(self) -> None:
        pass

    @step
    def b(self) -> None:
        pass

    @property
    def half(self) -> float:
        return 0.5

    @staticmethod
    def helper() -> int:
        return 7


GRAPH = Graph("F", [Step("start", kind="linear", to=["a"]), Step("a", kind="linear", to=["b"]), Step("b", kind="end")])


def row(value: Any) -> dict[str, Any]:
    """A row as far as `flow` looks into one; the value stands for itself."""
    return {"hash": repr(value), "value": value}


def bound(
    rows: Mapping[str, Any] | None = None,
    *,
    inputs: Inputs | None = None,
    frames: tuple[ForeachFrame, ...] = (),
    constants: Mapping[str, Any] | None = None,
) -> tuple[F, Binding]:
    """A flow object in step `a`; its constants are a parameter and what the class has."""
    given = {name: row(value) for name, value in (constants or {"alpha": 1, "CONSTANT": 3}).items()}
    binding = Binding(
        step=GRAPH["a"], graph=GRAPH, rows={
            name: row(value) for name, value in (rows or {}).items()
        }, constants=lambda: given,
        load=lambda _, found: found["value"], frozen=["alpha", "CONSTANT"], inputs=inputs, frames=frames,
    )  # fmt: skip
    return bind(F, binding), binding  # type: ignore[return-value]


# ---------------------------------------------------------------------------------------------- attributes


def test_an_inherited_artifact_is_loaded_once_and_remembered() -> None:
    flow, binding = bound({"x": [1], "y": 2})
    assert flow.x is flow.x
    assert set(binding.loaded) == {"x"}
    assert assigned(flow) == {"x": [1]}


def test_what_is_assigned_wins() -> None:
    flow, binding = bound({"x": 1})
    flow.x = 2
    assert flow.x == 2
    assert binding.loaded == {}


@pytest.mark.parametrize("name", ["cuont", "size", "alphas"])
def test_an_artifact_that_is_not_there(name: str) -> None:
    flow, _ = bound({"count": 1, "_hidden": 2})
    assert not hasattr(flow, name)
    with pytest.raises(AttributeError) as told:
        getattr(flow, name)
    assert f"step 'a' has no artifact {name!r}" in str(told.value)
    meant = {"cuont": "'count'?", "size": "it has: CONSTANT, alpha, count", "alphas": "'alpha'?"}
    assert meant[name] in str(told.value)
    assert "_hidden" not in str(told.value)


@pytest.mark.parametrize("name", ["__len__", "__iter_x__", "__class_getitem__"])
def test_python_s_own_questions_are_no_artifacts(name: str) -> None:
    flow, binding = bound({name: 1})
    assert not hasattr(flow, name)
    assert binding.loaded == {}


@pytest.mark.parametrize("name", ["alpha", "CONSTANT"])
def test_parameters_and_constants_are_the_same_everywhere(name: str) -> None:
    flow, _ = bound()
    assert getattr(flow, name) in (1, 3)
    with pytest.raises(AttributeError, match=f"self.{name} is a parameter or a constant"):
        setattr(flow, name, 5)
    with pytest.raises(AttributeError, match="can't be deleted"):
        delattr(flow, name)


@pytest.mark.parametrize("name", ["index", "input", "half", "_foreach_stack", "_current_step"])
def test_words_of_a_flow_can_not_be_assigned(name: str) -> None:
    flow, _ = bound()
    with pytest.raises(AttributeError, match=f"self.{name} is a word of FlowSpec"):
        setattr(flow, name, 5)


def test_the_name_of_the_flow_unless_an_artifact_has_it() -> None:
    flow, _ = bound()
    assert flow.name == F.name == "F"
    flow.name = "other"
    assert flow.name == "other"


def test_deleting() -> None:
    flow, binding = bound({"x": 1, "y": 2})
    del flow.x
    assert not hasattr(flow, "x")
    with pytest.raises(AttributeError, match=r"self.x can't be deleted: no step assigned it"):
        del flow.x
    with pytest.raises(AttributeError, match=r"self.nothing can't be deleted"):
        del flow.nothing
    assert binding.deleted == {"x"}
    flow.x = 5
    assert (flow.x, binding.deleted) == (5, set())
    del flow.x
    assert not hasattr(flow, "x")


def test_outside_a_step() -> None:
    flow = F(use_cli=False)
    assert [one.name for one in flow] == ["start", "a", "b"]
    assert repr(flow) == "<F>"
    for name in ("index", "input", "nothing", "_current_step"):
        assert not hasattr(flow, name)
    with pytest.raises(AttributeError, match="inside a running step"):
        flow.foreach_stack()
    flow.x = 1
    del flow.x
    assert not hasattr(flow, "x")


def test_inside_a_step() -> None:
    flow, _ = bound()
    assert (flow._current_step, flow._graph) == ("a", GRAPH)
    assert repr(flow) == "<F in step a>"
    assert (flow.index, flow.input, flow.foreach_stack()) == (None, None, [])
    assert (flow.half, flow.helper()) == (0.5, 7)


def test_items_of_nested_foreachs_are_loaded_when_asked() -> None:
    asked = []

    def item(value: str) -> Callable[[], str]:
        return lambda: asked.append(value) or value  # type: ignore[func-returns-value]

    flow, _ = bound(frames=(ForeachFrame("s", "xs", 1, 3, item("outer")), ForeachFrame("t", "ys", 0, 2, item("inner"))))
    assert (flow.index, asked) == (0, [])
    assert (flow.input, flow.input, asked) == ("inner", "inner", ["inner"])
    assert flow.foreach_stack() == [(1, 3, "outer"), (0, 2, "inner")]
    assert [frame.var for frame in flow._foreach_stack] == ["xs", "ys"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_flow_can_not_be_kept(protocol: int) -> None:
    flow, _ = bound()
    with pytest.raises(TypeError, match="a flow can't be kept"):
        pickle.dumps(flow, protocol)
    with pytest.raises(TypeError, match="an input of a join can't be kept"):
        pickle.dumps(joined({"x": 1})[0], protocol)


class Parent(FlowSpec):
    kept = 1
    hidden = 2
    _private = 3

    def method(self) -> None:
        pass


class Child(Parent):
    own = [1]
    kept = 5

    def hidden(self) -> None:  # type: ignore[override]
        pass


def test_constants_of_a_class() -> None:
    assert constants_of(Parent) == {"kept": 1, "hidden": 2}
    assert constants_of(Child) == {"kept": 5, "own": [1]}
    assert constants_of(F) == {"CONSTANT": 3}


# ---------------------------------------------------------------------------------------------------- next


NEXTS: dict[str, tuple[Callable[[F], None], dict[str, Any]]] = {
    "linear": (lambda f: f.next(f.b), {"kind": "linear", "to": ["b"]}),
    "split": (lambda f: f.next(f.a, f.b), {"kind": "split", "to": ["a", "b"]}),
    "foreach": (lambda f: f.next(f.b, foreach="xs"), {"kind": "foreach", "to": ["b"], "var": "xs"}),
    "foreach over a parameter": (
        lambda f: f.next(f.b, foreach="word"), {"kind": "foreach", "to": ["b"], "var": "word"}
    ),
    "parallel": (lambda f: f.next(f.b, num_parallel=3), {"kind": "parallel", "to": ["b"], "var": "_parallel"}),
    "switch": (lambda f: f.next({"yes": f.b, "no": f.a}, condition="word"), {"kind": "switch", "to": ["b"]}),
    "switch by truth": (lambda f: f.next({True: f.b, False: f.a}, condition="truth"), {"kind": "switch", "to": ["b"]}),
    "switch by number": (lambda f: f.next({1: f.a, 2: f.b}, condition="number"), {"kind": "switch", "to": ["b"]}),
    "switch to itself": (lambda f: f.next({"yes": f.a}, condition="word"), {"kind": "switch", "to": ["a"]}),
}


@pytest.mark.parametrize("case", NEXTS)
def test_next(case: str) -> None:
    say, expected = NEXTS[case]
    flow, binding = bound({"xs": [1, 2], "word": "yes", "truth": True, "number": 2})
    say(flow)
    found = binding.following
    assert found is not None
    assert {name: list(found.to) if name == "to" else getattr(found, name) for name in expected} == expected


WRONG: dict[str, tuple[Callable[[F], None], str]] = {
    "a text": (lambda f: f.next("b"), "takes steps of the flow, not 'b'"),
    "a number": (lambda f: f.next(3), "takes steps of the flow, not 3"),
    "another function": (lambda f: f.next(len), "takes steps of the flow"),
    "a method that is no step": (lambda f: f.next(f.helper), "takes steps of the flow"),
    "foreach over nothing known": (lambda f: f.next(f.b, foreach="ys"), "names the attribute 'ys'"),
    "foreach over a number": (lambda f: f.next(f.b, foreach="number"), "of type int, which has no items"),
    "foreach over None": (lambda f: f.next(f.b, foreach="none"), "of type NoneType, which has no items"),
    "no nodes": (lambda f: f.next(f.b, num_parallel=0), "whole number from 1, not 0"),
    "half a node": (lambda f: f.next(f.b, num_parallel=1.5), "whole number from 1, not 1.5"),  # type: ignore[arg-type]
    "nodes in words": (
        lambda f: f.next(f.b, num_parallel="2"), "whole number from 1, not '2'"
    ),  # type: ignore[arg-type]
    "no case": (lambda f: f.next({"x": f.b}, condition="number"), "self.number is '2', and self.next has no case"),
    "a case that is no step": (lambda f: f.next({"2": 5}, condition="number"), "takes steps of the flow, not 5"),
    "a condition that is not there": (
        lambda f: f.next({"x": f.b}, condition="nothing"), "names the attribute 'nothing'"
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_next_that_can_not_be_meant(case: str) -> None:
    say, message = WRONG[case]
    flow, _ = bound({"number": 2, "none": None})
    with pytest.raises(FlowError) as told:
        say(flow)
    assert message in told.value.message
    assert told.value.hint or "whole number" in message


def test_next_twice() -> None:
    flow, _ = bound()
    flow.next(flow.b)
    with pytest.raises(FlowError, match=r"step 'a' calls self.next twice"):
        flow.next(flow.b)


def test_an_artifact_that_hides_the_step_it_is_named_after() -> None:
    flow, _ = bound()
    flow.b = 1
    with pytest.raises(FlowError, match=r"self.b is a step, and the artifact of that name hides it"):
        flow.next(flow.b)


# --------------------------------------------------------------------------------------------------- joins


def joined(
    *artifacts: Mapping[str, Any], steps: tuple[str, ...] = (), split: Mapping[str, Any] | None = None
) -> Inputs:
    names = steps or tuple(f"p{number}" for number in range(len(artifacts)))
    constants = {"alpha": row(1)}
    made = [
        Input(
            name, {key: row(value) for key, value in one.items()}, lambda: constants, lambda _, found: found["value"]
        )
        for name, one in zip(names, artifacts, strict=True)
    ]
    return Inputs(made, None if split is None else {key: row(value) for key, value in split.items()})


def test_inputs_by_number_by_name_and_in_order() -> None:
    inputs = joined({"x": 1}, {"x": 2}, steps=("left", "right"))
    assert [one.x for one in inputs] == [1, 2]
    assert (len(inputs), inputs[1].x, inputs[-1].x, inputs.left.x) == (2, 2, 2, 1)
    assert [one.x for one in inputs[:1]] == [1]
    assert inputs.left.alpha == 1
    assert dir(inputs.left) == ["x"]
    assert repr(inputs.left) == "<Input from left: x>"


def test_inputs_that_are_not_there() -> None:
    inputs = joined({"count": 1}, {}, steps=("left", "right"))
    with pytest.raises(AttributeError, match=r"no input comes from a step 'middle'; there are: left, right"):
        _ = inputs.middle
    with pytest.raises(
        AttributeError, match=r"the input from step 'left' has no artifact 'cuont'. Did you mean 'count'\?"
    ):
        _ = inputs.left.cuont
    with pytest.raises(AttributeError, match=r"'right' has no artifact 'count'; it has: none"):
        _ = inputs.right.count
    with pytest.raises(IndexError):
        _ = inputs[2]
    with pytest.raises(AttributeError, match=r"2 inputs come from step 'each'; take them by number"):
        _ = joined({}, {}, steps=("each", "each")).each
    with pytest.raises(AttributeError, match=r"assign self.count in the join"):
        inputs.left.count = 3


MERGES: dict[str, tuple[tuple[Mapping[str, Any], ...], dict[str, Any], dict[str, Any]]] = {
    "equal": (({"x": 1, "y": 2}, {"x": 1, "y": 2}), {}, {"x": 1, "y": 2}),
    "only on some": (({"x": 1}, {"y": 2}), {}, {"x": 1, "y": 2}),
    "excluded": (({"x": 1, "y": 2}, {"x": 1, "y": 3}), {"exclude": ["y"]}, {"x": 1}),
    "included": (({"x": 1, "y": 2}, {"x": 1, "y": 3}), {"include": ["x"]}, {"x": 1}),
    "private ones stay": (({"_x": 1, "y": 2}, {"_x": 2, "y": 2}), {}, {"y": 2}),
    "private ones when asked for": (({"_x": 1}, {"_x": 1}), {"include": ["_x"]}, {"_x": 1}),
    "parameters are no artifacts": (({"alpha": 1, "x": 1}, {"alpha": 2, "x": 1}), {}, {"x": 1}),
    "nothing": (({}, {}), {}, {}),
    "excluding what is not there": (({"x": 1}, {"x": 1}), {"exclude": ["zzz"]}, {"x": 1}),
    "one input": (({"x": 1},), {}, {"x": 1}),
    "empty lists": (({"x": 1}, {"x": 1}), {"include": [], "exclude": []}, {"x": 1}),
}


@pytest.mark.parametrize("case", MERGES)
def test_merging(case: str) -> None:
    artifacts, words, expected = MERGES[case]
    inputs = joined(*artifacts)
    flow, binding = bound(inputs=inputs)
    flow.merge_artifacts(inputs, **words)
    assert {name: found["value"] for name, found in binding.adopted.items()} == expected
    assert {name: getattr(flow, name) for name in expected} == expected


def test_what_the_join_has_set_is_left_alone() -> None:
    inputs = joined({"x": 1, "y": 1}, {"x": 2, "y": 1})
    flow, _ = bound(inputs=inputs)
    flow.x = 9
    flow.merge_artifacts(inputs)
    assert (flow.x, flow.y) == (9, 1)


def test_a_foreach_over_nothing_takes_the_split_s() -> None:
    inputs = joined(split={"x": 1})
    flow, _ = bound(inputs=inputs)
    flow.merge_artifacts(inputs)
    assert (len(inputs), flow.x) == (0, 1)


FAILED_MERGES: dict[str, tuple[dict[str, Any], type[ArtifactError], str, str]] = {
    "conflict": ({}, UnhandledInMergeArtifactsException, "differ between the inputs: x (from p0, p1)", "assign self.x"),
    "conflict of an included one": (
        {"include": ["x", "y"]}, UnhandledInMergeArtifactsException, "differ", "exclude=['x']"
    ),
    "missing": ({"include": ["y", "zzz"]}, MissingInMergeArtifactsException, "no input has zzz", "inputs have: x, y"),
    "both lists": ({"include": ["y"], "exclude": ["x"]}, ArtifactError, "`include` or `exclude`, not both", ""),
}


@pytest.mark.parametrize("case", FAILED_MERGES)
def test_a_merge_that_fails_sets_nothing(case: str) -> None:
    words, kind, message, hint = FAILED_MERGES[case]
    inputs = joined({"x": 1, "y": 1}, {"x": 2, "y": 1})
    flow, binding = bound(inputs=inputs)
    with pytest.raises(kind) as told:
        flow.merge_artifacts(inputs, **words)
    assert message in told.value.message
    assert hint in told.value.hint
    assert binding.adopted == {}
    assert assigned(flow) == {}


def test_merging_outside_a_join() -> None:
    flow, _ = bound()
    with pytest.raises(ArtifactError, match=r"belongs in a join; step 'a' is none"):
        flow.merge_artifacts(joined({"x": 1}))


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1)), min_size=1, max_size=4))
def test_merging_is_all_or_nothing_whatever_the_inputs(artifacts: list[dict[str, int]]) -> None:
    inputs = joined(*artifacts)
    flow, binding = bound(inputs=inputs)
    values: dict[str, set[int]] = {}
    for one in artifacts:
        for name, value in one.items():
            values.setdefault(name, set()).add(value)
    if any(len(found) > 1 for found in values.values()):
        with pytest.raises(UnhandledInMergeArtifactsException):
            flow.merge_artifacts(inputs)
        assert binding.adopted == {}
    else:
        flow.merge_artifacts(inputs)
        assert {
            name: found["value"] for name, found in binding.adopted.items()
        } == {n: v.pop() for n, v in values.items()}
