"""What a pathspec on the command line means: a flow, run, step or task."""

from __future__ import annotations

from penstock.client import Client, Flow, Run, Step, Task
from penstock.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from penstock.cli.session import Session

    Target: TypeAlias = Flow | Run | Step | Task


def target_of(session: Session, text: str) -> Target:
    """`Flow/run/step/task/attempt` to any depth; a run also as a beginning of its id, `latest`, `latest~1`.

    The flow may be left out where the file says it (`python petsflow.py logs latest/count`) and where no other flow has
    such a run. Namespaces do not hide anything here. Raises NotFound, UsageError.
    """
    client = Client.over(session.home)
    parts = text.strip("/").split("/")
    if session.flow is not None and parts[0] != session.flow:
        parts.insert(0, session.flow)
    elif session.flow is None and _is_run(parts[0]) and parts[0] not in client.flow_names():
        parts.insert(0, _flow_of(client, parts[0]))
    if len(parts) > 5:
        raise UsageError(f"{text!r} is not of the form Flow/run/step/task/attempt", hint="flow runs")
    kind: type[Flow | Run | Step | Task] = (Flow, Run, Step, Task, Task)[len(parts) - 1]
    return kind("/".join(parts), _namespace_check=False, client=client)


def at(found: Run | Step | Task) -> dict[str, str]:
    """Where it stands, as documents say it."""
    return dict(zip(("flow", "run", "step", "task"), found.path_components, strict=False))


def tasks_of(session: Session, text: str) -> Iterator[Task]:
    """The task that a pathspec names, or all tasks of a step, or of a run in the order of its graph.

    Raises NotFound, UsageError.
    """
    found = target_of(session, text)
    if isinstance(found, Flow):
        raise UsageError(f"{text!r} is a flow; a run is wanted", hint=f"{found.id}/latest")
    if isinstance(found, Task):
        yield found
    elif isinstance(found, Step):
        yield from found
    else:
        for step in reversed(list(found)):
            yield from step


def _is_run(word: str) -> bool:
    """No flow's name begins with a digit: it is a Python class."""
    return word[:1].isdigit() or word.partition("~")[0] == "latest"


def _flow_of(client: Client, run: str) -> str:
    if run.startswith("latest"):
        newest = next(client.run_rows(limit=1), None)
        if newest is None:
            raise NotFound(f"no flow has run in {client.label}", hint="flow run FILE")
        return newest.flow
    found = sorted({row.flow for row in client.run_rows() if row.run.startswith(run)})
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"{run!r} begins ids of several flows", hint=f"{found[0]}/{run}")
    raise NotFound(f"no run {run!r} in {client.label}", hint="flow runs")
