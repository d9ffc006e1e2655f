"""Decorators: what they take, what they refuse with the user's line, what the scheduler reads in any order."""

from __future__ import annotations

import itertools
import json
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import FlowSpec, catch, environment, executor, parallel, resources, retry, step, timeout
from penstock.authoring.decorators import (
    FailureHandledByCatch,
    StepDecorator,
    TimeoutException,
    catches,
    environment_of,
    executor_of,
    resources_of,
    retry_policy,
    timeout_s,
)
from penstock.errors import FlowError
from penstock.values import CaughtError


def decorated(*decorators: Any) -> Callable[..., Any]:
    """A step with these above it, the first one topmost."""

    @step
    def start(self: FlowSpec) -> None:
        pass

    for one in reversed(decorators):
        start = one(start)
    return start


def data_of(function: Any) -> list[dict[str, Any]]:
    return [one.data() for one in function.__penstock_decorators__]


# ------------------------------------------------------------------------------------------------- refused

REFUSED: dict[str, tuple[Callable[[], object], str, str]] = {
    "unknown word": (lambda: retry(time=3), "@retry has no argument 'time'", "'times'"),
    "unknown word, nothing near": (
        lambda: retry(xyzzy=3), "@retry has no argument 'xyzzy'", "it has: times, minutes_between_retries"
    ),
    "a word where there is none": (lambda: parallel(nodes=3), "@parallel has no argument 'nodes'", "it has: none"),
    "no number": (lambda: retry(times="x"), "times must be a whole number from 0 on, not 'x'", "@retry(times=0)"),
    "half a time": (lambda: retry(times=1.5), "times must be a whole number", "@retry(times="),
    "less than none": (lambda: retry(times=-1), "not -1", "@retry(times="),
    "a truth": (lambda: retry(times=True), "not True", "@retry(times="),
    "minutes in words": (
        lambda: retry(minutes_between_retries="soon"), "minutes_between_retries must be a number", "@retry("
    ),
    "not a number": (lambda: resources(cpu=float("nan")), "cpu must be a number", "@resources("),
    "endless": (lambda: retry(times=float("inf")), "times must be a whole number", "@retry("),
    "no time": (timeout, "no time is given", "@timeout(minutes=10)"),
    "no time at all": (lambda: timeout(seconds=0), "no time is given", "@timeout(minutes=10)"),
    "odd name": (lambda: catch(var="a b"), "var must be the name of an artifact", "@catch(var="),
    "no name": (lambda: catch(var=3), "var must be the name of an artifact", "@catch(var="),
    "memory in words": (lambda: resources(memory="16 GB"), "memory must be a whole number", "@resources(memory="),
    "variables in a list": (lambda: environment(vars=["A=1"]), "vars must be a dict", "@environment(vars="),
    "an empty variable": (lambda: environment(vars={"": "x"}), "vars must be a dict", "@environment(vars="),
    "a variable with =": (lambda: environment(vars={"A=B": "x"}), "vars must be a dict", "@environment(vars="),
    "no executor": (lambda: executor(3), "the name of an executor", '@executor("local")'),
    "a value without a name": (lambda: retry(3), "the argument 3 has no name", "@retry(times=3)"),
    "above a plain function": (lambda: retry(lambda _: None), "which is no step (yet)", "@step comes last"),
    "above a plain function, with words": (
        lambda: retry(times=1)(lambda _: None), "which is no step (yet)", "@step comes last"
    ),
    "step above a number": (lambda: step(3), "@step goes above a method, not 3", "@step"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_with_the_user_s_line(case: str) -> None:
    make, message, hint = REFUSED[case]
    with pytest.raises(FlowError) as told:
        make()
    assert message in told.value.message
    assert hint in told.value.hint
    file, _, line = told.value.where.rpartition(":")
    assert file == __file__
    assert line.isdigit()


# ------------------------------------------------------------------------------------------------ attached


@pytest.mark.parametrize("one", [retry, catch, resources, environment, parallel])
def test_with_and_without_parentheses(one: type[StepDecorator]) -> None:
    assert data_of(decorated(one)) == data_of(decorated(one())) == [{"name": one.name, **one.defaults}]


def test_every_order_says_the_same() -> None:
    every = [
        retry(times=2),
        catch(var="e"),
        timeout(minutes=1),
        resources(cpu=2),
        environment(vars={"A": 1}),
        executor("local"),
    ]
    for order in itertools.permutations(every):
        found = data_of(decorated(*order))
        assert [one["name"] for one in found] == [one.name for one in reversed(order)]
        assert retry_policy(found) == (2, None)
        assert timeout_s(found) == 60
        assert resources_of(found).cpu == 2
        assert environment_of(found) == {"A": "1"}
        assert catches(found)
        assert executor_of(found) == ("local", {})


def test_the_topmost_of_two_counts() -> None:
    found = data_of(
        decorated(
            retry(times=1), retry(times=9), environment(vars={"A": "top"}), environment(vars={"A": "low", "B": "b"})
        )
    )
    assert retry_policy(found) == (1, None)
    assert environment_of(found) == {"A": "top", "B": "b"}


def test_a_step_without_any() -> None:
    assert retry_policy([]) == (0, None)
    assert timeout_s([]) is None
    assert resources_of([]).cpu is None
    assert environment_of([]) == {}
    assert not catches([])
    assert executor_of([]) is None


def test_decorators_of_a_subclass_are_its_own() -> None:
    base, other = decorated(retry(times=1)), decorated(retry(times=2))
    assert retry_policy(data_of(base)) == (1, None)
    assert retry_policy(data_of(other)) == (2, None)


def test_what_is_text_of_a_number_is_one() -> None:
    assert retry_policy(data_of(decorated(retry(times="2", minutes_between_retries="0.5")))) == (2, 30.0)
    assert resources_of(data_of(decorated(resources(cpu="0.5", memory="1000", gpu="1")))).memory_mb == 1000


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.integers(0, 100))
def test_the_three_parts_of_a_time_are_added(seconds: float, minutes: float, hours: int) -> None:
    total = seconds + 60 * minutes + 3600 * hours
    if not total:
        return
    found = data_of(decorated(timeout(seconds=seconds, minutes=minutes, hours=hours)))
    assert timeout_s(found) == pytest.approx(total)
    assert json.loads(json.dumps(found)) == found


def test_an_executor_with_options() -> None:
    found = data_of(decorated(executor("docker", image="busybox", cpus=2)))
    assert executor_of(found) == ("docker", {"image": "busybox", "cpus": 2})


@pytest.mark.parametrize(
    ("words", "marks"),
    [
        ({}, set()), ({"start": True}, {"start"}), ({"end": True}, {"end"}),
        ({"start": True, "end": True}, {"start", "end"}),
    ],
)  # fmt: skip
def test_marks_of_step(words: dict[str, bool], marks: set[str]) -> None:
    @step(**words)
    def only(self: FlowSpec) -> None:
        pass

    assert only.__penstock_step__ is True  # type: ignore[attr-defined]
    assert only.__penstock_marks__ == marks  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------ around the body


class Flow:
    """What a body assigns to."""


class Task:
    def __init__(self, last: bool = True) -> None:
        self.step, self.last_attempt, self.handler, self.caught, self.flow = "start", last, None, False, Flow()


def fail() -> None:
    raise ValueError("no")


def test_catch_keeps_the_exception_of_the_last_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    task = Task()
    catch(var="failure").around(task, fail)  # type: ignore[arg-type]
    kept = task.flow.failure  # type: ignore[attr-defined]
    assert isinstance(kept, CaughtError)
    assert (kept.type, kept.exception, task.caught) == ("ValueError", "no", True)
    assert "@catch keeps this failure" in capsys.readouterr().err


def test_catch_before_the_last_attempt_lets_it_pass() -> None:
    task = Task(last=False)
    with pytest.raises(ValueError, match="no"):
        catch(var="failure").around(task, fail)  # type: ignore[arg-type]
    assert not task.caught
    assert not hasattr(task.flow, "failure")


def test_catch_of_a_body_that_went_well_is_none() -> None:
    task = Task()
    catch(var="failure").around(task, lambda: None)  # type: ignore[arg-type]
    assert task.flow.failure is None  # type: ignore[attr-defined]
    assert not task.caught


def test_catch_without_a_name_and_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    task = Task()
    catch(print_exception=False).around(task, fail)  # type: ignore[arg-type]
    assert task.caught
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_catch_lets_an_exit_pass(error: type[BaseException]) -> None:
    def leave() -> None:
        raise error

    with pytest.raises(error):
        catch(var="failure").around(Task(), leave)  # type: ignore[arg-type]


def test_a_body_that_takes_too_long_is_told_so() -> None:
    with pytest.raises(TimeoutException, match=r"step 'start' ran longer than 0.01 s"):
        timeout(seconds=0.01).around(Task(), threading.Event().wait)  # type: ignore[arg-type]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_timer_is_put_back_after_a_body_that_was_quick() -> None:
    before = signal.getsignal(signal.SIGALRM)
    timeout(hours=1).around(Task(), lambda: None)  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_beside_the_main_thread_there_is_no_timer() -> None:
    seen = []
    thread = threading.Thread(
        target=lambda: timeout(seconds=1).around(Task(), lambda: seen.append(1))
    )  # type: ignore[arg-type]
    thread.start()
    thread.join()
    assert seen == [1]


def test_the_names_that_metaflow_s_records_have() -> None:
    assert [TimeoutException.__name__, FailureHandledByCatch.__name__] == ["TimeoutException", "FailureHandledByCatch"]
