"""`flow show`: the graph of a flow file, or what became of a run, step or task."""

from __future__ import annotations

import itertools
from pathlib import Path

import click

from penstock.amounts import bytes_text, duration_text, moment_text
from penstock.authoring import drawing
from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.failure import shown_file, shown_place
from penstock.cli.option import Nearest
from penstock.cli.session import split_file
from penstock.cli.table import table
from penstock.cli.target import at, target_of
from penstock.client import Flow, Run, Step
from penstock.errors import FlowError, NotFound, UsageError
from penstock.printable import printable
from penstock.view import Failure, StepView, TaskView, preview_lines, task_view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from penstock.authoring.graph import Graph
    from penstock.cli.session import Session
    from penstock.client import Task
    from penstock.view import RunView

_MOST_TASKS = 5  # of one failure that are named


@click.command("show", cls=Command)
@click.argument("what", required=False, metavar="[FILE | RUN[/STEP[/TASK]]]")
@click.option("--format", "form", type=Nearest(tuple(drawing.FORMATS)), default="text", help="How a graph is drawn.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def command(session: Session, what: str | None, form: str, as_json: bool) -> None:
    """Show the graph of a flow file, or what became of a run, step or task."""
    if what is None and session.file is None:
        raise UsageError("what shall be shown?", hint="flow show FILE   # or: flow show PetsFlow/latest")
    if what is None or split_file(what)[0].endswith(".py") or Path(what).is_file():
        graph = _graph(session, what or session.file or "")
        if as_json:
            document.show(**graph.data())
        else:
            click.echo(_drawn(graph, form), nl=False)
        return
    try:
        found = target_of(session, what)
    except NotFound as error:
        if Path(f"{what}.py").is_file():
            error.hint = f"flow show {shown_file(f'{what}.py')}"
        raise
    if isinstance(found, Flow):
        newest = found.latest_run
        assert newest is not None  # a flow without a run is not found
        found = newest
    if isinstance(found, Run):
        view = found.view()
        _tell(view.data(), itertools.chain(_run_lines(view), map(session.again, _next_command(view))), as_json)
        return
    history = found._history
    tasks, status = history.tasks(), history.status()
    if isinstance(found, Step):
        every = [task_view(history.graph, (found.id, place), tasks, status) for place in history.places()[found.id]]
        kind = history.graph[found.id].kind if found.id in history.graph else ""
        step = StepView(found.id, kind, every)
        data = {**at(found), **step.data(), "tasks": [task.data() for task in every]}
        _tell(data, _step_lines(found.pathspec, step), as_json)
    else:
        task = task_view(history.graph, (found.parent.id, found.id), tasks, status)
        rows = {**history.constants(), **task.data()["artifacts"]}
        _tell({**at(found), **task.data()}, _task_lines(found, task, rows), as_json)


def _tell(data: Mapping[str, Any], lines: Iterable[str], as_json: bool) -> None:
    if as_json:
        document.show(**data)
    else:
        click.echo("\n".join(lines))


# --------------------------------------------------------------------------------------------------- graphs


def _graph(session: Session, file: str) -> Graph:
    """As the imported file declares it; where it can't be imported, as its text says."""
    from penstock.running.launch import declare

    source = session.flow_file(file)
    try:
        with declare(source) as opened:
            return opened.declaration.graph
    except FlowError as error:
        from penstock.authoring.graph_source import graph_of_source

        graph = graph_of_source(Path(source.path).read_text(encoding="utf-8"), source.path, source.flow)
        where = f"{error.where}: " if error.where else ""
        click.echo(f"{where}{error.message}\nthis is what its text says all the same", err=True)
        return graph


def _drawn(graph: Graph, form: str) -> str:
    drawn = drawing.FORMATS[form](graph)
    if form != "text":
        return drawn
    doc = "".join(f"  {line}\n" for line in graph.doc.splitlines())
    return f"{graph.name}\n{doc}\n{drawn}"


# ----------------------------------------------------------------------------------------------------- runs


def _run_lines(view: RunView) -> Iterator[str]:
    header = view.header
    ended = f" after {duration_text(view.ended_s - view.started_s)}" if view.ended_s is not None else ""
    yield f"{view.flow}/{view.run}  {view.status}{ended}"
    yield f"  started {moment_text(view.started_s)} by {printable(str(header.get('user')))} on {header.get('host')}"
    if header.get("origin"):
        yield f"  resumed from {view.flow}/{header['origin']}"
    if header.get("parameters"):
        yield "  parameters  " + printable("  ".join(f"{k}={v}" for k, v in header["parameters"].items()))
    if view.tags:
        yield "  tags  " + printable(", ".join(view.tags))
    yield ""
    yield from table(
        ("step", "status", "tasks", "retried", "time", "slowest"),
        (
            (step.name, step.state, _counts(step), str(step.retried or ""), duration_text(step.wall_s), _slowest(step))
            for step in view.steps
        ),
    )
    for failure in view.failures:
        yield ""
        yield from _failure_lines(failure)


def _counts(step: StepView) -> str:
    """`12`, or `3 succeeded, 1 failed` where they differ."""
    counts = step.counts
    return str(len(step.tasks)) if len(counts) == 1 else ", ".join(f"{n} {state}" for state, n in counts.items())


def _slowest(step: StepView) -> str:
    task = step.slowest
    return f"{task.place} {duration_text(task.wall_s)}" if task is not None and len(step.tasks) > 1 else ""


def _failure_lines(failure: Failure) -> Iterator[str]:
    first, *others = failure.tasks
    yield f"{first} failed" + (f": {shown_place(failure.where)}" if failure.where else "")
    source = (failure.exception or {}).get("source")
    if source:
        yield f"    {printable(source)}"
    yield f"  {printable(failure.text)}"
    if others:
        named = ", ".join(f"{task.step}/{task.place}" for task in others[:_MOST_TASKS])
        yield f"  the same in {len(others)} more: {named}" + (", ..." if len(others) > _MOST_TASKS else "")


def _next_command(view: RunView) -> Iterator[str]:
    spec = f"{view.flow}/{view.run}"
    if view.status == "died":
        yield from ("", f"its scheduler died; go on with:  flow continue {spec}")
    elif view.failures and view.status != "running":
        file = shown_file(str(view.header.get("file")))
        yield from ("", f"after mending it:  flow resume {file} --origin-run-id={view.run}")
        yield f"its output:  flow logs {view.failures[0].tasks[0]}"


# --------------------------------------------------------------------------------------------- steps, tasks


def _step_lines(pathspec: str, step: StepView) -> Iterator[str]:
    yield f"{pathspec}  {step.state}  {_counts(step)}"
    yield ""
    yield from table(("task", "status", "attempts", "time", "error"), map(_task_row, step.tasks))


def _task_row(task: TaskView) -> tuple[str, ...]:
    record = task.record
    error = ""
    if record is not None and (record.exception is not None or record.reason):
        error = Failure(record.exception, record.reason, ()).text
    state = task.state + (" (caught)" if record is not None and record.caught else "")
    return task.place, state, str(len(task.attempts)), duration_text(task.wall_s), error


def _task_lines(found: Task, task: TaskView, rows: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    rows = {name: row for name, row in rows.items() if not name.startswith("_")}
    yield f"{found.pathspec}  {task.state}"
    yield from [""] if task.attempts else []
    yield from table(
        ("attempt", "outcome", "started", "time", "cpu", "memory", "reason"),
        (
            (
                str(record.attempt),
                record.outcome + (" (handler of @catch)" if record.handler else " (caught)" if record.caught else ""),
                moment_text(record.started_s),
                duration_text(record.ended_s - record.started_s),
                duration_text(record.cpu_s),
                bytes_text(record.peak_bytes) if record.peak_bytes else "",
                record.reason,
            )
            for record in task.attempts
        ),
    )
    if found.exception is not None:
        yield from ("", printable(found.exception.traceback or str(found.exception), lines=True).rstrip())
    if rows:
        yield ""
        yield from table(
            ("artifact", "type", "size", "preview"),
            ((name, kind, bytes_text(size), preview) for name, kind, size, preview in preview_lines(rows)),
        )
