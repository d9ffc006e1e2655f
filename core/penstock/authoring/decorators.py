"""Step decorators: what a user writes above `@step`, and what the scheduler reads from it as data.

A decorator only attaches itself to the function; `data()` crosses to the scheduler, and the few that wrap the body
(`timeout`, `catch`) do so by `around`, inside the attempt.
"""

from __future__ import annotations

import sys

from penstock.errors import FlowError, PenstockError
from penstock.values import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Protocol, TypeVar, overload

    from penstock.authoring.flow import FlowSpec

    Body = Callable[[], None]
    F = TypeVar("F", bound=Callable[..., Any])

    class Task(Protocol):
        """The attempt, as `attempt.py` gives it."""

        step: str
        last_attempt: bool
        handler: str | None
        caught: bool
        flow: FlowSpec


class TimeoutException(PenstockError):
    """A step ran longer than its `@timeout`."""


class FailureHandledByCatch(PenstockError):
    """A step's process died in its last attempt, and `@catch` stands in."""


# --------------------------------------------------------------------------------------------------- step

if TYPE_CHECKING:

    @overload
    def step(function: F) -> F: ...
    @overload
    def step(*, start: bool = False, end: bool = False) -> Callable[[F], F]: ...


def step(function: Any = None, *, start: bool = False, end: bool = False) -> Any:
    """Mark a method as a step. start, end: the flow begins or ends here, whatever its name."""

    def mark(marked: Any) -> Any:
        if not callable(marked):
            raise FlowError(
                f"@step goes above a method, not {marked!r}", where=_caller(), hint="@step, above def NAME(self):"
            )
        marked.__penstock_step__ = True
        marked.__penstock_marks__ = frozenset(
            role for role, on in (("start", start), ("end", end)) if on
        )
        return marked

    return mark if function is None else mark(function)


def _caller() -> str:
    """`file:line` of the user's code that called into ours."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("penstock."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


# --------------------------------------------------------------------------------------------- decorators


class StepDecorator:
    """A decorator with named arguments. Subclasses give `name` and `defaults`; bare use takes the defaults."""

    name = ""
    defaults: Mapping[str, Any] = {}

    def __init__(self, function: Any = None, /, **arguments: Any) -> None:
        self.where = _caller()
        for word in arguments:
            if word not in self.defaults:
                import difflib

                near = difflib.get_close_matches(word, self.defaults, 1)
                raise FlowError(
                    f"@{self.name} has no argument {word!r}",
                    where=self.where,
                    hint=f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(self.defaults) or 'none'}",
                )
        self.arguments = {**self.defaults, **arguments}
        self.check()

    def __new__(cls, function: Any = None, /, **arguments: Any) -> Any:
        made = super().__new__(cls)
        if function is None:
            return made
        made.__init__(**arguments)  # type: ignore[misc]
        if not callable(function):
            word = next(iter(cls.defaults), "")
            hint = f"@{cls.name}({word}={function!r})" if word else f"@{cls.name}"
            raise made.refuse(f"the argument {function!r} has no name", hint)
        return made(function)

    def __call__(self, function: F) -> F:
        """Attach to a step."""
        if not getattr(function, "__penstock_step__", False):
            named = getattr(function, "__name__", repr(function))
            raise FlowError(
                f"@{self.name} stands on {named!r}, which is no step (yet)",
                where=self.where,
                hint=f"write @{self.name} above @step: the line with @step comes last",
            )
        attached = [*getattr(function, "__penstock_decorators__", ()), self]
        function.__penstock_decorators__ = attached  # type: ignore[attr-defined]
        return function

    def check(self) -> None:
        """Refuse arguments that can't be meant. Raises FlowError."""

    def refuse(self, message: str, hint: str = "") -> FlowError:
        """The error for a wrong argument."""
        return FlowError(f"@{self.name}: {message}", where=self.where, hint=hint)

    def number(self, word: str, least: float = 0, *, whole: bool = False) -> None:
        """Refuse anything but a number from `least` on (text of a number, as Metaflow allows, is one)."""
        value = self.arguments[word]
        if value is None:
            return
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = least - 1
        finite = number - number == 0  # neither infinite nor not a number
        if isinstance(value, bool) or not finite or number < least or (whole and number != int(number)):
            kind = "a whole number" if whole else "a number"
            complaint = f"{word} must be {kind} from {least:g} on, not {value!r}"
            raise self.refuse(complaint, f"@{self.name}({word}={least:g})")
        self.arguments[word] = int(number) if whole or number == int(number) else number

    def data(self) -> dict[str, Any]:
        """As JSON: the name and every argument."""
        return {"name": self.name, **self.arguments}

    def around(self, task: Task, body: Body) -> None:
        """Run the body; subclasses may do something before, after or instead."""
        body()


class retry(StepDecorator):  # noqa: N801 - users write it as a decorator
    """Try again after a failure. times: further attempts;
    minutes_between_retries: None for the executor's own delay."""

    name = "retry"
    defaults = {"times": 3, "minutes_between_retries": None}

    def check(self) -> None:
        self.number("times", whole=True)
        self.number("minutes_between_retries")


class catch(StepDecorator):  # noqa: N801
    """After the last attempt count the task as successful.
    var: artifact for the CaughtError, None where all went well."""

    name = "catch"
    defaults = {"var": None, "print_exception": True}

    def check(self) -> None:
        var = self.arguments["var"]
        if var is not None and not (isinstance(var, str) and var.isidentifier()):
            raise self.refuse(f"var must be the name of an artifact, not {var!r}", "@catch(var='failure')")

    def around(self, task: Task, body: Body) -> None:
        """Keep the exception of the last attempt as an artifact."""
        var = self.arguments["var"]
        try:
            body()
        except Exception as error:
            if not task.last_attempt:
                raise
            from penstock.running.raised import caught_error

            caught = caught_error(error, task.step)
            if self.arguments["print_exception"]:
                print(f"@catch keeps this failure:\n{caught.traceback}", file=sys.stderr)
            task.caught = True
            if var:
                setattr(task.flow, var, caught)
        else:
            if var:
                setattr(task.flow, var, None)


class timeout(StepDecorator):  # noqa: N801
    """Raise TimeoutException inside the body after this much wall time; the three are added up."""

    name = "timeout"
    defaults = {"seconds": 0, "minutes": 0, "hours": 0}

    def check(self) -> None:
        for word in self.defaults:
            self.number(word)
        if not self.total_s:
            raise self.refuse("no time is given", "@timeout(minutes=10)")

    @property
    def total_s(self) -> float:
        """Seconds in all."""
        given = self.arguments
        return float(given["seconds"] + 60 * given["minutes"] + 3600 * given["hours"])

    def around(self, task: Task, body: Body) -> None:
        """By the process's timer, which only the main thread has."""
        import signal
        import threading

        if threading.current_thread() is not threading.main_thread():
            body()
            return

        def expire(*_: object) -> None:
            complaint = f"step {task.step!r} ran longer than {self.total_s:g} s"
            raise TimeoutException(complaint, hint="@timeout(minutes=...)")

        before = signal.signal(signal.SIGALRM, expire)
        signal.setitimer(signal.ITIMER_REAL, self.total_s)
        try:
            body()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


NEEDS = ("cpu", "gpu", "memory", "disk", "shared_memory")  # what a step may say that it needs


def check_needs(decorator: StepDecorator, words: Iterable[str] = NEEDS) -> None:
    """Refuse what is no amount of what a step needs. Raises FlowError."""
    for word in words:
        decorator.number(word, whole=word != "cpu")


class resources(StepDecorator):  # noqa: N801
    """What the step needs: cpu (cores), gpu (devices), memory, disk and shared_memory (MB)."""

    name = "resources"
    defaults = dict.fromkeys(NEEDS)

    def check(self) -> None:
        check_needs(self)


class environment(StepDecorator):  # noqa: N801
    """Environment variables of the step. vars: name -> text."""

    name = "environment"
    defaults = {"vars": {}}

    def check(self) -> None:
        given = self.arguments["vars"]
        if not isinstance(given, dict) or not all(isinstance(k, str) and k and "=" not in k for k in given):
            complaint = f"vars must be a dict of names and texts, not {given!r}"
            raise self.refuse(complaint, "@environment(vars={'NAME': 'text'})")
        self.arguments["vars"] = {name: str(value) for name, value in given.items()}


class parallel(StepDecorator):  # noqa: N801
    """The step runs on several nodes at once: `self.next(self.x, num_parallel=N)` leads to it."""

    name = "parallel"


class executor(StepDecorator):  # noqa: N801
    """Where the step runs: `@executor("docker", image=...)`. `--executor-for` overrides it for a run."""

    name = "executor"

    def __init__(self, chosen: str, /, **options: Any) -> None:
        self.where = _caller()
        if not isinstance(chosen, str):
            raise self.refuse("the first argument is the name of an executor", '@executor("local")')
        self.arguments = {"executor": chosen, "options": options}

    def __new__(cls, chosen: str, /, **options: Any) -> Any:  # noqa: ARG004 - what __init__ takes
        return object.__new__(cls)


def decorators_of(flow_class: type[FlowSpec], step: str) -> list[StepDecorator]:
    """The decorators of a step, innermost first: its own, then those of `--with` that it does not have."""
    own: list[StepDecorator] = list(getattr(getattr(flow_class, step), "__penstock_decorators__", ()))
    names = {one.data()["name"] for one in own}
    return own + [one for one in flow_class._added_decorators if one.data()["name"] not in names]


# ------------------------------------------------------------------------------- what the scheduler reads


def _of(decorators: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The decorator of this name; of several the topmost, which is the last to be attached."""
    return next((one for one in reversed(list(decorators)) if one["name"] == name), None)


def retry_policy(decorators: Iterable[Mapping[str, Any]]) -> tuple[int, float | None]:
    """Further attempts, and seconds before one (None: the executor's own delay)."""
    found = _of(decorators, "retry")
    if found is None:
        return 0, None
    minutes = found["minutes_between_retries"]
    return found["times"], None if minutes is None else 60.0 * minutes


def timeout_s(decorators: Iterable[Mapping[str, Any]]) -> float | None:
    """Seconds that the body may take, None for no limit."""
    found = _of(decorators, "timeout")
    if found is None:
        return None
    return float(found["seconds"] + 60 * found["minutes"] + 3600 * found["hours"])


def resources_of(decorators: Iterable[Mapping[str, Any]]) -> Resources:
    """What the step asks for; where `@resources` and the decorator of an executor differ, the larger amount."""
    decorators = list(decorators)
    said = [_of(decorators, "resources") or {}, (_of(decorators, "executor") or {}).get("needs", {})]
    largest = {word: max((one[word] for one in said if one.get(word) is not None), default=None) for word in NEEDS}
    return Resources(
        cpu=largest["cpu"],
        memory_mb=largest["memory"],
        gpu=largest["gpu"],
        disk_mb=largest["disk"],
        shared_memory_mb=largest["shared_memory"],
    )


def environment_of(decorators: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Variables of the step, all decorators merged, the topmost last."""
    merged: dict[str, str] = {}
    for one in decorators:
        if one["name"] == "environment":
            merged.update(one["vars"])
    return merged


def catches(decorators: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a failure is caught in the end."""
    return _of(decorators, "catch") is not None


def executor_of(decorators: Iterable[Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]] | None:
    """Executor and options that the step names, None where it names none."""
    found = _of(decorators, "executor")
    return None if found is None else (found["executor"], found["options"])
