"""One step at a time, as users test their flows."""

from __future__ import annotations

import os
import threading

import pytest

from penstock import FlowSpec, Parameter, catch, current, environment, retry, step, timeout
from penstock.errors import FlowError, NotStorable, UsageError
from penstock.testing import run_step


class Wrong(Exception):
    """The user's own."""


class PetsFlow(FlowSpec):
    unit = "kg"
    least = Parameter("least", default=2)
    names = Parameter("names", default="a,b", separator=",")
    made = Parameter("made", default=lambda context: f"{context.flow_name}:{context.parameter_name}")

    @environment(vars={"PETS_COLOUR": "grün"})
    @step
    def start(self):
        self.colour = os.environ.get("PETS_COLOUR")
        self.animals = self.names
        print("starting", self.made)
        self.next(self.each, foreach="animals")

    @step
    def each(self):
        self.seen = (self.input, self.index, current.task_id, self.foreach_stack())
        self.choice = "odd" if self.index % 2 else "even"
        self.next({"odd": self.odd, "even": self.even}, condition="choice")

    @retry(times=3)
    @step
    def odd(self):
        self.facts = [current.flow_name, current.run_id, current.step_name, current.pathspec, current.retry_count]
        self.known = sorted(current.parameter_names)
        self.next(self.join)

    @step
    def even(self):
        self.values.append(len(self.values))
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs, include=["unit_price"] if hasattr(inputs[0], "unit_price") else ["colour"])
        self.total = sum(one.value for one in inputs)
        self.steps = [one._step for one in inputs]
        self.next(self.left, self.right)

    @catch(var="trouble", print_exception=False)
    @step
    def left(self):
        if self.fails:
            raise Wrong("caught")
        self.next(self.both)

    @timeout(seconds=100)
    @step
    def right(self):
        if self.fails:
            raise Wrong("as it is")
        self.next(self.both)

    @step
    def both(self, inputs):
        self.found = (inputs.left.x, inputs.right.x)
        self.next(self.end)

    @step
    def end(self):
        self.least_seen = (self.least, self.unit)


def test_the_first_step(capsys):
    found = run_step(PetsFlow, "start", parameters={"names": ["x", "y", "z"]})
    assert found.animals == ["x", "y", "z"]
    assert found.colour == "grün"
    assert "PETS_COLOUR" not in os.environ
    assert found.transition.kind == "foreach"
    assert found.transition.steps == ("each",)
    assert found.transition.items == ["x", "y", "z"]
    assert found.stdout == capsys.readouterr().out == "starting PetsFlow:made\n"


def test_a_step_in_a_foreach():
    found = run_step(PetsFlow, PetsFlow.each, foreach=[(["cat", "dog"], 1)])
    assert found.seen == ("dog", 1, "1", [(1, 2, "dog")])
    assert found.transition.kind == "switch"
    assert found.transition.steps == ("odd",)
    assert found.transition.items is None


def test_artifacts_of_the_step_before_are_seen_passed_on_and_not_shared():
    values, other = [5], object
    found = run_step(PetsFlow, "even", artifacts={"values": values, "other": other})
    assert found.values == [5, 1]
    assert values == [5]
    assert found.artifacts == {"values": [5, 1], "other": object}


def test_current_is_filled_and_empty_again():
    found = run_step(PetsFlow, "odd", retry_count=2)
    pathspec = "PetsFlow/step-under-test/odd/0"
    assert found.facts == ["PetsFlow", "step-under-test", "odd", pathspec, 2]
    assert found.known == ["least", "made", "names"]
    assert not current.is_running_flow


def test_a_join_reads_inputs_in_order():
    found = run_step(PetsFlow, "join", inputs=[{"value": n, "colour": "red"} for n in (1, 2, 3)])
    assert (found.total, found.colour) == (6, "red")
    assert found.transition.steps == ("left", "right")
    assert found.transition.kind == "split"


def test_a_join_reads_inputs_by_name():
    found = run_step(PetsFlow, "both", inputs={"right": {"x": 1}, "left": {"x": 2}})
    assert found.found == (2, 1)
    odd, even = {"value": 1, "colour": 0}, {"value": 5, "colour": 0}
    found = run_step(PetsFlow, "join", inputs={"odd": [odd, odd], "even": even})
    assert (found.total, found.steps) == (7, ["odd", "odd", "even"])


def test_what_the_body_raises_is_raised_as_it_is():
    with pytest.raises(Wrong, match="as it is") as caught:
        run_step(PetsFlow, "right", artifacts={"fails": True})
    assert type(caught.value) is Wrong
    assert not current.is_running_flow


def test_what_catch_catches_is_an_artifact():
    found = run_step(PetsFlow, "left", artifacts={"kept": 1, "fails": True})
    assert found.trouble.type.endswith("Wrong")
    assert found.kept == 1


def test_parameters_and_constants():
    assert run_step(PetsFlow, "end").least_seen == (2, "kg")
    assert run_step(PetsFlow, "end", parameters={"least": 7}).least_seen == (7, "kg")
    assert run_step(PetsFlow, "end", parameters={"least": "8"}).least_seen == (8, "kg")
    assert run_step(PetsFlow, "end").transition.kind == "end"


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_step(PetsFlow, "start")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda: run_step(PetsFlow, "evn"), "PetsFlow has no step 'evn'", "did you mean 'even'?"),
        (lambda: run_step(PetsFlow, "zzz"), "PetsFlow has no step 'zzz'", "there are: start, each"),
        (lambda: run_step(PetsFlow, 7), "PetsFlow has no step 7", "there are: start"),
        (lambda: run_step(PetsFlow, "join"), "join is a join", "inputs=[{...}, {...}]"),
        (lambda: run_step(PetsFlow, "even", inputs=[{}]), "even is no join", "artifacts={...}"),
        (lambda: run_step(PetsFlow, "start", artifacts={"x": 1}), "start is the first step", "'start')"),
        (lambda: run_step(PetsFlow, "even", artifacts={"least": 1}), "least is a parameter", "parameters={'least'"),
        (lambda: run_step(PetsFlow, "even", artifacts={"unit": 1}), "unit is a parameter or a constant", "'even'"),
        (lambda: run_step(PetsFlow, "end", parameters={"leest": 1}), "no parameter 'leest'", "did you mean 'least'?"),
        (lambda: run_step(PetsFlow, "end", parameters={"least": "x"}), "takes a whole number", "--least=3"),
        (lambda: run_step(PetsFlow, "end", parameters={"least": object()}), "can't be <object", "a text, a number"),
        (lambda: run_step(PetsFlow, "both", inputs={"lft": {}}), "comes from a step 'lft'", "did you mean 'left'?"),
        (lambda: run_step(PetsFlow, "end", foreach=[([1], 0)]), "inside of 0 foreach, not 1", "'end'"),
        (lambda: run_step(PetsFlow, "each", foreach=[([1], 1)]), "has 1 items, none with the index 1", ""),
    ],
)
def test_what_is_asked_wrongly_is_said_clearly(call, message, hint):
    with pytest.raises(UsageError) as caught:
        call()
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_an_artifact_that_is_not_there_is_named():
    found = run_step(PetsFlow, "end")
    with pytest.raises(AttributeError, match="left no artifact 'least_sen'; did you mean 'least_seen'"):
        found.least_sen  # noqa: B018
    assert not hasattr(found, "__wrapped__")


class EdgesFlow(FlowSpec):
    needed = Parameter("needed", required=True, type=int)

    @step
    def start(self):
        self.items = []
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.lock = threading.Lock()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        self.count = len(inputs)
        self.next(self.nodes, num_parallel=3)

    @step
    def nodes(self):
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.count = len(inputs)
        self.next(self.end)

    @step
    def end(self):
        """No more."""


GIVEN = {"needed": 1}


def test_a_required_parameter_must_be_given():
    with pytest.raises(UsageError, match="needs the parameter needed") as caught:
        run_step(EdgesFlow, "end")
    assert caught.value.hint == "parameters={'needed': ...}"


def test_a_foreach_over_nothing_and_its_join():
    found = run_step(EdgesFlow, "start", parameters=GIVEN)
    assert found.transition.items == []
    found = run_step(EdgesFlow, "join", inputs=[], artifacts={"kept": 5}, parameters=GIVEN)
    assert (found.count, found.kept) == (0, 5)
    assert found.transition.num_parallel == 3
    assert found.transition.items is None


def test_an_artifact_that_no_run_could_store_is_refused():
    with pytest.raises(NotStorable, match="lock"):
        run_step(EdgesFlow, "work", parameters=GIVEN)


def test_a_graph_that_could_not_run_is_refused():
    class BrokenFlow(FlowSpec):
        @step
        def start(self):
            self.next(self.nowhere)

        @step
        def end(self):
            pass

    with pytest.raises(FlowError):
        run_step(BrokenFlow, "start")
