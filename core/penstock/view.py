"""A run as one value for every face: terminal, notebook, JSON, client. Pure: computed from header, records and outcome.

lineage(graph, tasks)   which tasks there are, and what each read: the fold of the plan over the records
view_of(...)            the run with its steps, their tasks, counts, times and failures
"""

from __future__ import annotations

from penstock.authoring import decorators
from penstock.running import plan
from penstock.running.plan import Plan, Policy
from penstock.storage import records
from penstock.values import (
    CANCELLED,
    DIED,
    FAILED,
    FOREACH_ITEMS,
    LOST,
    PARAMETERS_STEP,
    RUNNING,
    SUCCEEDED,
    Pathspec,
    place_order,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from penstock.authoring.graph import Graph
    from penstock.values import Record

    Task: TypeAlias = tuple[str, str]  # step, place
    Tasks: TypeAlias = Mapping[Task, Sequence[Record]]  # attempts with a record, in order

VERSION = 1  # of the JSON that `data()` makes
TASK_STATES = (SUCCEEDED, RUNNING, FAILED, LOST, CANCELLED)
RUN_STATES = (RUNNING, SUCCEEDED, FAILED, CANCELLED, DIED)


def status_of(outcome: str | None, alive: bool) -> str:
    """One of `RUN_STATES`. outcome: what was claimed, None for nothing; alive: somebody drives the run."""
    return outcome if outcome is not None else RUNNING if alive else DIED


# -------------------------------------------------------------------------------------------------- lineage


class Lineage:
    """What follows from the successes of a run.

    parents: every task that was made ready -> the tasks that it reads, in the order of `inputs`; of a join of a foreach
    over nothing: the split. finished: the last step has succeeded.
    """

    __slots__ = ("_children", "finished", "parents")

    def __init__(self, parents: Mapping[Task, tuple[Task, ...]], finished: bool) -> None:
        self.parents, self.finished = parents, finished
        self._children: dict[Task, list[Task]] | None = None

    def children(self, task: Task) -> list[Task]:
        """The tasks that read a task, in order."""
        if self._children is None:
            self._children = {}
            for child, parents in self.parents.items():
                for parent in parents:
                    self._children.setdefault(parent, []).append(child)
        return sorted(self._children.get(task, ()), key=_by_place)


def lineage(graph: Graph, tasks: Tasks) -> Lineage:
    """Follow the graph from its start along the standing records."""
    folded = Plan(graph)
    parents: dict[Task, tuple[Task, ...]] = {}
    waiting = folded.begin()
    while waiting:
        ready = waiting.pop()
        read = ready.parents if ready.split is None else (ready.split,)
        parents[ready.task] = tuple(_task_named(name) for name in read)
        standing = records.standing(tasks.get(ready.task, ()))
        if standing is not None and _fits(graph, standing):
            waiting += folded.add(standing, "/".join(ready.task))
    return Lineage(parents, folded.finished)


def _task_named(name: str) -> Task:
    step, _, place = name.partition("/")
    return step, place


def _fits(graph: Graph, record: Record) -> bool:
    return record.step == PARAMETERS_STEP or all(
        name in graph.steps for name in (record.transition or {}).get("to", ())
    )


def _by_place(task: Task) -> tuple[object, ...]:
    return place_order(task[1]), task[0]


def is_whole(graph: Graph, tasks: Tasks, run: str) -> bool:
    """Whether these are all records of a run that succeeded: the fold reaches the end and no attempt is missing.

    So a copy of the records proves its own completeness, and nothing need be listed.
    """
    found = lineage(graph, tasks)
    return found.finished and all(is_settled(tasks.get(task, ()), run) for task in found.parents)


def is_settled(attempts: Sequence[Record], run: str) -> bool:
    """Whether a task has succeeded and none of its attempts is missing."""
    standing = records.standing(attempts)
    return standing is not None and (is_taken(standing, run) or len(attempts) == attempts[-1].attempt + 1)


def is_taken(record: Record, run: str) -> bool:
    """Whether `run` took the record over from its origin; of such a task only the success is known."""
    return record.run != run or record.refers is not None


# ---------------------------------------------------------------------------------------------------- tasks


class TaskView:
    """A task. attempts: its records, in order; state: one of `TASK_STATES`."""

    __slots__ = ("attempts", "place", "state", "step")

    def __init__(self, step: str, place: str, state: str, attempts: Sequence[Record]) -> None:
        self.step, self.place, self.state, self.attempts = step, place, state, tuple(attempts)

    @property
    def record(self) -> Record | None:
        """The success, else the newest attempt's record; None where there is none yet."""
        return shown(self.attempts)

    @property
    def wall_s(self) -> float | None:
        """Seconds of all attempts together; None where none has a record."""
        return sum(max(0.0, one.ended_s - one.started_s) for one in self.attempts) if self.attempts else None

    def data(self) -> dict[str, Any]:
        """As JSON."""
        record = self.record
        return {
            "step": self.step,
            "task": self.place,
            "status": self.state,
            "attempts": [_attempt_data(one) for one in self.attempts],
            "wall_s": self.wall_s,
            "artifacts": {}
            if record is None
            else {name: _row_data(row) for name, row in visible(record.artifacts).items()},
        }


def _attempt_data(record: Record) -> dict[str, Any]:
    full = {
        "attempt": record.attempt, "outcome": record.outcome, "started_s": record.started_s, "ended_s": record.ended_s,
        "cpu_s": record.cpu_s, "peak_bytes": record.peak_bytes, "host": record.host, "reason": record.reason or None,
        "exception": record.exception, "handler": record.handler or None, "caught": record.caught or None,
        "facts": record.facts or None,
    }  # fmt: skip
    return {name: value for name, value in full.items() if value is not None}


def _row_data(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("type", "size", "hash", "preview") if name in row}


def visible(rows: Mapping[str, Any]) -> dict[str, Any]:
    """The rows that people see: without the items of a foreach, which no name of the user's leads to."""
    return {name: row for name, row in rows.items() if name != FOREACH_ITEMS}


def shown(attempts: Sequence[Record]) -> Record | None:
    """The attempt that speaks for its task: the success, else the newest."""
    return records.standing(attempts) or (attempts[-1] if attempts else None)


def task_state(graph: Graph, step: str, attempts: Sequence[Record], run_status: str) -> str:
    """What became of a task. While its run goes on, one that gets a further attempt counts as running; one without a
    record ran or waited when its scheduler died."""
    record = shown(attempts)
    if record is not None and record.outcome == SUCCEEDED:
        return SUCCEEDED
    if run_status == RUNNING and (record is None or _goes_on(graph, step, attempts)):
        return RUNNING
    return LOST if record is None else record.outcome


def _goes_on(graph: Graph, step: str, attempts: Sequence[Record]) -> bool:
    if step not in graph.steps:
        return False
    declared = graph.steps[step].decorators
    past = plan.Past()
    for record in attempts:
        past.add(record)
    times, _ = decorators.retry_policy(declared)
    return plan.next_attempt(past, Policy(times, catches=decorators.catches(declared))) is not None


# ---------------------------------------------------------------------------------------------------- steps


class StepView:
    """A step of a run. tasks: sorted by place; those that run or wait in a running run are among them."""

    __slots__ = ("kind", "name", "tasks")

    def __init__(self, name: str, kind: str, tasks: Sequence[TaskView]) -> None:
        self.name, self.kind, self.tasks = name, kind, tuple(tasks)

    @property
    def counts(self) -> dict[str, int]:
        """Tasks by state; states that no task is in are left out."""
        every = [task.state for task in self.tasks]
        return {state: every.count(state) for state in TASK_STATES if state in every}

    @property
    def state(self) -> str:
        """The state of the whole step, the worst of its tasks' first."""
        counts = self.counts
        return next((state for state in (FAILED, LOST, CANCELLED, RUNNING) if state in counts), SUCCEEDED)

    @property
    def retried(self) -> int:
        """How many attempts followed a first one."""
        return sum(max(0, len(task.attempts) - 1) for task in self.tasks)

    @property
    def wall_s(self) -> float | None:
        """Seconds from the first start to the last end of an attempt; None where none has a record."""
        every = [record for task in self.tasks for record in task.attempts]
        return max(one.ended_s for one in every) - min(one.started_s for one in every) if every else None

    @property
    def slowest(self) -> TaskView | None:
        """The task that took longest."""
        timed = [task for task in self.tasks if task.attempts]
        return max(timed, key=lambda task: task.wall_s or 0.0, default=None)

    def data(self) -> dict[str, Any]:
        """As JSON, without the single tasks."""
        return {
            "step": self.name,
            "kind": self.kind,
            "status": self.state,
            "tasks": len(self.tasks),
            "counts": self.counts,
            "retried": self.retried,
            "wall_s": self.wall_s,
        }


class Failure:
    """One cause, and the tasks that it stopped. exception: of the first of them, or None; reason: one sentence."""

    __slots__ = ("exception", "reason", "tasks")

    def __init__(self, exception: Mapping[str, Any] | None, reason: str, tasks: Sequence[Pathspec]) -> None:
        self.exception, self.reason, self.tasks = exception, reason, tuple(tasks)

    @property
    def text(self) -> str:
        """`ZeroDivisionError: division by zero`, or the reason where no exception was raised."""
        if self.exception is None:
            return self.reason or "it left no result"
        message = self.exception.get("message")
        return f"{self.exception['type']}: {message}" if message else str(self.exception["type"])

    @property
    def where(self) -> str:
        """`file:line` of the user's code, empty where unknown."""
        found = self.exception or {}
        return f"{found['file']}:{found['line']}" if "file" in found else str(found.get("where", ""))

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "error": self.text,
            "where": self.where,
            "exception": self.exception,
            "tasks": [str(t) for t in self.tasks],
        }


def failures_of(steps: Iterable[StepView], flow: str, run: str) -> list[Failure]:
    """Tasks that failed, grouped by what stopped them: 300 with one cause are one failure."""
    groups: dict[tuple[str, ...], list[TaskView]] = {}
    for step in steps:
        for task in step.tasks:
            record = task.record
            if record is not None and task.state in (FAILED, LOST):
                found = record.exception or {}
                cause = (str(found.get("type")), str(found.get("file")), str(found.get("line")), record.step)
                groups.setdefault(cause if found else (record.reason, record.step), []).append(task)
    return [
        Failure(first.exception, first.reason, [Pathspec(flow, run, one.step, one.place) for one in tasks])
        for tasks in groups.values()
        if (first := tasks[0].record) is not None
    ]


# ------------------------------------------------------------------------------------------------------ run


class RunView:
    """A run. header: as it was put; steps: in the order of the graph, those that have tasks;
    outcome: claimed, or None."""

    __slots__ = ("failures", "flow", "header", "outcome", "run", "status", "steps", "tags")

    def __init__(
        self,
        header: Mapping[str, Any],
        status: str,
        outcome: Mapping[str, Any] | None,
        steps: Sequence[StepView],
        tags: Iterable[str] = (),
    ) -> None:
        self.header, self.status, self.outcome = header, status, outcome
        self.flow, self.run = str(header["flow"]), str(header["run"])
        self.steps, self.tags = tuple(steps), tuple(tags)
        self.failures = failures_of(self.steps, self.flow, self.run)

    @property
    def started_s(self) -> float:
        """Unix time by the clock of whoever started it."""
        return float(self.header.get("started_s", 0.0))

    @property
    def ended_s(self) -> float | None:
        """Unix time at which the outcome was claimed; None before."""
        return None if self.outcome is None else self.outcome.get("ended_s")

    @property
    def counts(self) -> dict[str, int]:
        """Tasks by state, over all steps."""
        every = [step.counts for step in self.steps]
        return {state: total for state in TASK_STATES if (total := sum(counts.get(state, 0) for counts in every))}

    def data(self) -> dict[str, Any]:
        """As JSON."""
        header = self.header
        return {
            "version": VERSION,
            "flow": self.flow,
            "run": self.run,
            "status": self.status,
            "started_s": self.started_s,
            "ended_s": self.ended_s,
            "user": header.get("user"),
            "origin": header.get("origin"),
            "parameters": dict(header.get("parameters") or {}),
            "tags": list(self.tags),
            "system_tags": list(header.get("system_tags") or ()),
            "counts": self.counts,
            "steps": [step.data() for step in self.steps],
            "failures": [failure.data() for failure in self.failures],
        }


def view_of(
    header: Mapping[str, Any],
    graph: Graph,
    tasks: Tasks,
    status: str,
    outcome: Mapping[str, Any] | None = None,
    tags: Iterable[str] = (),
) -> RunView:
    """The run as a value. tasks: attempts with a record, taken ones included; status: from `status_of`."""
    found = existing(graph, tasks, status)
    steps = [
        StepView(
            name, graph.steps[name].kind, [task_view(graph, (name, place), tasks, status) for place in found[name]]
        )
        for name in graph.steps
        if name in found
    ]
    return RunView(header, status, outcome, steps, tags)


def task_view(graph: Graph, task: Task, tasks: Tasks, status: str) -> TaskView:
    """One task of a run."""
    attempts = tasks.get(task, ())
    return TaskView(*task, task_state(graph, task[0], attempts, status), attempts)


def existing(graph: Graph, tasks: Tasks, status: str, found: Lineage | None = None) -> dict[str, list[str]]:
    """Step -> sorted places of its tasks: those with a record; those that are ready too, unless the run has ended."""
    there = set(tasks)
    if status in (RUNNING, DIED):
        there.update((found or lineage(graph, tasks)).parents)
    places: dict[str, list[str]] = {}
    for step, place in there:
        places.setdefault(step, []).append(place)
    return {step: sorted(every, key=place_order) for step, every in places.items()}


def preview_lines(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, int, str]]:
    """Of each artifact that people see: name, type, bytes, preview. Nothing is unpickled."""
    for name, row in sorted(visible(rows).items()):
        yield name, str(row.get("type", "?")), int(row.get("size", 0)), str(row.get("preview") or "")
