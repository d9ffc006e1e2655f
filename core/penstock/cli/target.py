"""What a pathspec on the command line means: a flow, run, step or task."""

from __future__ import annotations

from penstock.client import Client, Flow, Run, Step, Task
from penstock.errors import NotFound, UsageError
from penstock.storage import keys
from penstock.values import DIED, RUNNING
from penstock.which_run import which_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from penstock.cli.session import Session

    Target: TypeAlias = Flow | Run | Step | Task

_MOST_RUNS = 5  # that are named


def target_of(session: Session, text: str) -> Target:
    """`Flow/run/step/task/attempt` to any depth; a run also as a beginning of its id, `latest`, `latest~1`.

    The flow may be left out where the file says it (`python petsflow.py logs latest/count`) and where no other flow has
    such a run. Namespaces do not hide anything here. Raises NotFound, UsageError.
    """
    client = Client.over(session.home)
    parts = _parts(session, client, text)
    if len(parts) > 5:
        raise UsageError(f"{text!r} is not of the form Flow/run/step/task/attempt", hint="flow runs")
    kind: type[Flow | Run | Step | Task] = (Flow, Run, Step, Task, Task)[len(parts) - 1]
    return kind("/".join(parts), _namespace_check=False, client=client)


def run_of(session: Session, text: str, *, named: bool = False) -> tuple[str, str]:
    """Flow and run id of `Flow/RUN` as typed; a flow alone means its latest run.

    named: for what can't be undone the run must be written, if only as `latest`. Raises UsageError, NotFound.
    """
    client = Client.over(session.home)
    parts = _parts(session, client, text)
    if len(parts) > 2 or not all(parts):
        raise UsageError(f"{text!r} is not of the form Flow/RUN", hint="flow runs")
    flow, wanted = parts[0], parts[1] if len(parts) == 2 else None
    runs = [keys.name(folder) for folder in session.home.datastore.list_folders(keys.flow_prefix(flow))]
    if not runs:
        raise client.no_flow(flow)
    found = which_run(flow, wanted, runs)
    if wanted is None and named:
        raise _which(client, flow)
    return flow, found


def _which(client: Client, flow: str) -> UsageError:
    """The error for a flow where a run is wanted, with those that have not ended."""
    open_rows = [row for row in client.run_rows(flow) if row.outcome is None]
    states = {row.run: client.history(flow, row.run, row).status() for row in open_rows}
    going = [f"{flow}/{run} ({state})" for run, state in states.items() if state in (RUNNING, DIED)]
    more = f" and {len(going) - _MOST_RUNS} more" if len(going) > _MOST_RUNS else ""
    told = f"not ended: {', '.join(going[:_MOST_RUNS])}{more}" if going else "all of them have ended"
    return UsageError(
        f"{flow!r} is a flow; which of its runs? {told}",
        hint=f"flow cancel {flow}/RUN   # or: flow cancel {flow}/latest" if going else f"flow runs {flow}",
    )


def _parts(session: Session, client: Client, text: str) -> list[str]:
    """A pathspec in its parts, with the flow, where it is known without being typed."""
    parts = text.strip("/").split("/")
    if session.flow is not None and parts[0] != session.flow:
        parts.insert(0, session.flow)
    elif session.flow is None and _is_run(parts[0]) and parts[0] not in client.flow_names():
        parts.insert(0, _flow_of(client, parts[0]))
    return parts


def at(found: Run | Step | Task) -> dict[str, str]:
    """Where it stands, as documents say it."""
    return dict(zip(("flow", "run", "step", "task"), found.path_components, strict=False))


def tasks_of(session: Session, text: str) -> Iterator[Task]:
    """The task that a pathspec names, or all tasks of a step, or of a run in the order of its graph.

    Raises NotFound, UsageError.
    """
    found = target_of(session, text)
    if isinstance(found, Flow):
        command = "" if session.typed is None else f"{session.called} {session.typed[0].info_name} "
        raise UsageError(f"{text!r} is a flow; a run is wanted", hint=f"{command}{found.id}/latest")
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
