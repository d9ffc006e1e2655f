"""`--with`: what a text means, and which steps it reaches."""

from __future__ import annotations

import pytest

from penstock import FlowSpec, retry, step
from penstock.authoring.additions import add, decorator
from penstock.authoring.decorators import decorators_of
from penstock.errors import UsageError


class Pair(FlowSpec):
    @step
    def start(self) -> None:
        self.next(self.end)

    @retry(times=1)
    @step
    def end(self) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("retry", {"name": "retry", "times": 3, "minutes_between_retries": None}),
        ("retry:times=2", {"name": "retry", "times": 2, "minutes_between_retries": None}),
        ("retry:times=2, minutes_between_retries=0.5", {"name": "retry", "times": 2, "minutes_between_retries": 0.5}),
        ("catch:var=why,print_exception=false", {"name": "catch", "var": "why", "print_exception": False}),
        ('environment:vars={"A": "1", "B": "x,y"}', {"name": "environment", "vars": {"A": "1", "B": "x,y"}}),
    ],
)
def test_a_text_is_the_decorator_that_one_would_write(text: str, data: object) -> None:
    assert decorator(text, "--with").data() == data


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("rety", "no decorator 'rety'", "did you mean 'retry'?"),
        ("step", "no decorator 'step'", "there are: "),
        ("", "no decorator ''", "there are: "),
        ("retry:tims=3", "@retry has no argument 'tims'", "did you mean 'times'?"),
        ("retry:times=-1", "times must be a whole number from 0 on, not -1", "@retry(times=0)"),
        ("retry:3", "'3' is not of the form key=value", "--with retry:key=value"),
        ("card", "penstock has no card", "flow run --help"),
        ("executor:name=local", "@executor can't be added to every step", "flow run --help"),
    ],
)
def test_what_is_wrong_with_a_text(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")) as told:
        decorator(text, f"--with {text}")
    assert told.value.where == f"--with {text}"
    assert hint in told.value.hint


@pytest.mark.parametrize("variable", ["PENSTOCK_WITH", "METAFLOW_DEFAULT_DECOSPECS"])
def test_a_step_keeps_its_own_and_what_was_typed_comes_first(variable: str) -> None:
    flow = type("Pair", (Pair,), {})
    add(flow, ["retry:times=2"], {variable: "retry:times=7 timeout:minutes=1"})
    found = {name: [one.data() for one in decorators_of(flow, name)] for name in ("start", "end")}
    assert [(one["name"], one.get("times")) for one in found["start"]] == [("retry", 2), ("timeout", None)]
    assert [(one["name"], one.get("times")) for one in found["end"]] == [("retry", 1), ("timeout", None)]
    assert [one.name for one in decorators_of(Pair, "start")] == []
