"""`current`: what it knows inside a step, and what it says outside one."""

from __future__ import annotations

import pytest

import penstock
from penstock.authoring.context import Current, Parallel, current

FACTS = {
    "flow_name": "F",
    "run_id": "r",
    "step_name": "s",
    "task_id": "0",
    "retry_count": 1,
    "origin_run_id": None,
    "tags": ["a"],
}


@pytest.fixture
def inside() -> Current:
    made = Current()
    made._set(**FACTS)
    return made


def test_inside_a_step(inside: Current) -> None:
    assert {name: getattr(inside, name) for name in FACTS} == FACTS
    assert inside.pathspec == "F/r/s/0"
    assert inside.is_running_flow
    assert repr(inside) == "<current F/r/s/0>"
    assert "origin_run_id" in inside
    assert inside.get("origin_run_id", "x") is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run_idd", "Did you mean 'run_id'?"), ("xyzzy", "it has: flow_name"), ("parallel", ""),
    ],
)  # fmt: skip
def test_what_it_does_not_know(inside: Current, name: str, text: str) -> None:
    assert not hasattr(inside, name)
    assert name not in inside
    assert inside.get(name, 7) == 7
    with pytest.raises(AttributeError, match=f"current has no '{name}'") as told:
        getattr(inside, name)
    assert text in str(told.value)


def test_outside_a_step() -> None:
    assert not current.is_running_flow
    assert repr(current) == "<current: no step runs here>"
    with pytest.raises(AttributeError, match=r"current.run_id is known only while a step runs"):
        _ = current.run_id
    assert current.get("run_id") is None
    assert "run_id" not in current


def test_facts_of_one_task_do_not_stay_for_the_next(inside: Current) -> None:
    inside._set(flow_name="G")
    assert not hasattr(inside, "run_id")
    inside._clear()
    assert not inside.is_running_flow


def test_there_is_one() -> None:
    assert penstock.current is current


def test_nodes() -> None:
    node = Parallel(4, 2, "7.0", "10.0.0.1")
    assert repr(node) == "Parallel(num_nodes=4, node_index=2)"
    assert (node.control_task_id, node.main_ip) == ("7.0", "10.0.0.1")
    with pytest.raises(AttributeError, match="do not run side by side here"):
        _ = Parallel(4, 2, "0", None).main_ip
