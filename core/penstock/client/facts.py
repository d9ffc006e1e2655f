"""Facts of a task under the names that Metaflow gives to its metadata, computed from header and records."""

from __future__ import annotations

from penstock.values import PARAMETERS_STEP, SUCCEEDED, place_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from penstock.authoring.graph import Graph
    from penstock.client.task import Task
    from penstock.values import Record


class Metadatum:
    """One fact. type, value: text; created_at: local time; task: pathspec."""

    __slots__ = ("created_at", "task", "type", "value")

    def __init__(self, type: str, value: str, created_at: datetime | None, task: str) -> None:
        self.type, self.value, self.created_at, self.task = type, value, created_at, task

    @property
    def name(self) -> str:
        """The type again, as in Metaflow."""
        return self.type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Metadatum) and (self.type, self.value, self.task) == (
            other.type,
            other.value,
            other.task,
        )

    def __hash__(self) -> int:
        return hash((self.type, self.value, self.task))

    def __repr__(self) -> str:
        return f"Metadatum({self.type!r}, {self.value!r})"


def facts_of(
    task: Task, header: Mapping[str, Any], graph: Graph, attempts: Sequence[Record], origin: Mapping[str, str]
) -> list[Metadatum]:
    """Facts of a task: those of the run in which it ran once, then those of each attempt.

    header: of that run, for a clone the origin's; origin: what a resumed run says of it besides.
    """
    from penstock.client.node import moment

    began = moment(attempts[0].started_s if attempts else header.get("started_s"))
    once = [*_of_task(task, header, graph), *origin.items()]
    found = [Metadatum(type, value, began, task.pathspec) for type, value in once]
    for record in attempts:
        ended = moment(record.ended_s)
        found += [Metadatum(type, value, ended, task.pathspec) for type, value in _of_attempt(record)]
    return found


def _of_task(task: Task, header: Mapping[str, Any], graph: Graph) -> Iterator[tuple[str, str]]:
    step = task.parent.id
    settings = header.get("settings") or {}
    for type, value in (
        ("user", header.get("user")),
        ("python_version", header.get("python")),
        ("ds-type", settings.get("datastore")),
        ("runtime", settings.get("executor")),
    ):
        if value is not None:
            yield type, str(value)
    if step in graph and graph[step].parallel_step and place_index(task.id) == 0:
        yield "internal_task_type", "control"
    if step == PARAMETERS_STEP:
        yield "start_step", graph.start
        yield "end_step", graph.end


def _of_attempt(record: Record) -> Iterator[tuple[str, str]]:
    yield "attempt", str(record.attempt)
    yield "attempt_ok", str(record.outcome == SUCCEEDED)
    if record.host is not None:
        yield "host", record.host
