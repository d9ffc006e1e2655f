"""What `parent[name]` and `data.name` raise: errors of penstock that Python's own idioms catch too."""

from __future__ import annotations

from penstock.errors import NotFound
from penstock.nearest import hint
from penstock.values import CANCELLED, LOST, PARAMETERS_STEP, RUNNING, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.client.history import History
    from penstock.client.task import Task


class MissingChild(NotFound, KeyError):
    """`run["strat"]`, `task["modell"]`: a KeyError that says what was meant."""

    def __str__(self) -> str:
        return self.message  # a KeyError would quote it


class MissingArtifact(NotFound, AttributeError):
    """`task.data.modell`: an AttributeError, so that `hasattr` and `getattr` with a default work."""


def missing_step(history: History, name: str) -> MissingChild:
    """The error for a step that has no task: a wrong name, or one that the run has not come to."""
    run, places, graph = f"{history.flow}/{history.run}", history.places(), history.graph
    so_far = f"there are: {', '.join(step for step in graph.steps if step in places) or 'no steps'}"
    if name not in graph:
        return MissingChild(f"{run} has no step {name!r}", hint=hint(name, [*graph.steps, PARAMETERS_STEP]))
    status = history.status()
    if status == RUNNING:
        return MissingChild(f"{run} has not come to its step {name!r} yet: it is running", hint=so_far)
    took = f"took another way than step {name!r}" if status == SUCCEEDED else f"{status} before its step {name!r}"
    return MissingChild(f"{run} {took}", hint=so_far)


def missing_task(history: History, step: str, place: str) -> MissingChild:
    """The error for a task that a step lacks."""
    places = history.places().get(step)
    if places is None:
        return missing_step(history, step)
    more = " so far: it is running" if history.status() == RUNNING else ""
    return MissingChild(f"{history.flow}/{history.run}/{step} has no task {place!r}{more}", hint=hint(place, places))


def missing_child(owner: object, name: object, known: Iterable[str]) -> MissingChild:
    """The error for a child that `owner` lacks."""
    return MissingChild(f"{owner} has no {name!r}", hint=hint(str(name), known))


def missing_artifact(task: Task, name: str, known: Iterable[str]) -> MissingArtifact:
    """The error for `task.data.name`."""
    return MissingArtifact(_no_artifact(task, name), hint=hint(name, known) or "there are none")


def missing_item(task: Task, name: str, known: Iterable[str]) -> MissingChild:
    """The error for `task["name"]`."""
    return MissingChild(_no_artifact(task, name), hint=hint(name, known) or "there are none")


def _no_artifact(task: Task, name: str) -> str:
    status = task.status
    more = "" if status == SUCCEEDED else " yet: it is running" if status == RUNNING else f": it {status}"
    if status in (LOST, CANCELLED):
        more = f": it was {status}"
    return f"{task} has no artifact {name!r}{more}"
