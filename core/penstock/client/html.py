"""What a notebook shows of a flow, run, step, task or artifact: small tables, no script, every text escaped.

Colours are those of the page (`currentColor`), so that dark themes work; a status is a word and a glyph, never a colour
alone. Nothing is unpickled: values appear by the previews that their writer made.
"""

from __future__ import annotations

from html import escape

from penstock.amounts import bytes_text, duration_text, moment_text
from penstock.printable import printable
from penstock.values import CANCELLED, DIED, FAILED, LOST, RUNNING, SUCCEEDED
from penstock.view import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.client.artifact import DataArtifact
    from penstock.client.flow import Flow
    from penstock.client.run import Run
    from penstock.client.step import Step
    from penstock.client.task import Task

GLYPHS = {SUCCEEDED: "✓", RUNNING: "▸", FAILED: "✗", LOST: "?", CANCELLED: "◼", DIED: "†"}
_MOST_ROWS = 50
_MOST_FAILURES = 10
_LONGEST_LINE, _LONGEST_TEXT = 200, 4000  # characters; a notebook that is saved keeps all that is shown
_CELL = "padding:.15em .8em .15em 0;text-align:left;vertical-align:top"
_RULE = "border-bottom:1px solid color-mix(in srgb, currentColor 30%, transparent)"
_FRAME = f'<div data-penstock="{VERSION}" style="font-size:.95em">'


def flows_html(flows: Sequence[Flow]) -> str:
    """All flows of a store."""
    latest = [(flow.id, flow.latest_run) for flow in flows[:_MOST_ROWS]]
    rows = [(name, *(("", "") if run is None else (run.id, _status(run.status))), _when(run)) for name, run in latest]
    return _framed(_title("Flows"), _table(("flow", "latest run", "status", "started"), rows, len(flows)))


def flow_html(flow: Flow) -> str:
    """A flow and its newest runs."""
    runs = [run for _, run in zip(range(_MOST_ROWS), flow.runs(), strict=False)]
    rows = [(run.id, _status(run.status), _when(run), ", ".join(sorted(run.user_tags))) for run in runs]
    return _framed(_title("Flow", flow.pathspec), _table(("run", "status", "started", "tags"), rows))


def run_html(run: Run) -> str:
    """A run: status, parameters, steps, failures."""
    view = run.view()
    steps = [
        (step.name, _status(step.state), _counts(step.counts), str(step.retried or ""), duration_text(step.wall_s))
        for step in view.steps
        if not step.name.startswith("_")
    ]
    end = run.end_task
    return _framed(
        _title("Run", run.pathspec, view.status),
        _line(f"started {moment_text(view.started_s)} by {view.header.get('user')}"),
        _line("parameters: " + ", ".join(f"{k}={v}" for k, v in view.header["parameters"].items()))
        if view.header.get("parameters")
        else "",
        _table(("step", "status", "tasks", "retried", "time"), steps),
        *(_folded(f"✗ {failure.text}", f"{failure.where}\n" + "\n".join(map(str, failure.tasks[:_MOST_ROWS])))
          for failure in view.failures[:_MOST_FAILURES]),
        artifacts_html(end.artifacts) if end is not None else "",
    )  # fmt: skip


def step_html(step: Step) -> str:
    """A step and its tasks."""
    tasks = list(step)
    rows = [
        (task.id, _status(task.status), str(task.current_attempt or ""), _when(task), _lasted(task), _error(task))
        for task in tasks[:_MOST_ROWS]
    ]
    heads = ("task", "status", "retried", "started", "time", "error")
    return _framed(_title("Step", step.pathspec), _table(heads, rows, len(tasks)))


def task_html(task: Task) -> str:
    """A task: attempts, exception, artifacts, and its output where that is short enough to lie in the record."""
    exception, record = task.exception, task._record
    outputs = [] if record is None else [("output", record.stdout), ("standard error", record.stderr)]
    return _framed(
        _title("Task", task.pathspec, task.status),
        _line(f"attempt {task.current_attempt}, started {_when(task)}, {_lasted(task)}"),
        _folded(f"✗ {exception}", exception.traceback or str(exception)) if exception is not None else "",
        artifacts_html(task.artifacts),
        *(_folded(name, output["text"]) for name, output in outputs if output is not None and output.get("text")),
    )


def artifact_html(artifact: DataArtifact) -> str:
    """An artifact, by its preview."""
    return _framed(_title("Artifact", artifact.pathspec), artifacts_html([artifact]))


def artifacts_html(artifacts: Iterable[DataArtifact]) -> str:
    """A table of artifacts."""
    every = list(artifacts)
    rows = [(one.id, one.type, bytes_text(one.size), one.preview) for one in every[:_MOST_ROWS]]
    return _table(("artifact", "type", "size", "preview"), rows, len(every)) if rows else ""


def _framed(*parts: str) -> str:
    return _FRAME + "".join(parts) + "</div>"


def _title(kind: str, name: str = "", status: str | None = None) -> str:
    shown = f" <span>{_safe(_status(status))}</span>" if status is not None else ""
    return f"<div>{kind} <b>{_safe(name)}</b>{shown}</div>"


def _line(text: str) -> str:
    return f"<div>{_safe(text)}</div>"


def _folded(title: str, text: str) -> str:
    """Of a long text the end: there stands what went wrong."""
    kept = text if len(text) <= _LONGEST_TEXT else f"... {text[-_LONGEST_TEXT:]}"
    body = escape(printable(kept, lines=True))
    return f'<details><summary>{_safe(title)}</summary><pre style="margin:.3em 0">{body}</pre></details>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], total: int | None = None) -> str:
    """Columns in which nothing stands are left out."""
    told = [number for number in range(len(heads)) if not rows or any(row[number] for row in rows)]
    heads, rows = [heads[number] for number in told], [[row[number] for number in told] for row in rows]
    head = "".join(f'<th style="{_CELL};{_RULE}">{_safe(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{_safe(text)}</td>' for text in row) + "</tr>" for row in rows
    )
    more = _line(f"and {total - len(rows)} more") if total is not None and total > len(rows) else ""
    return f'<table style="border-collapse:collapse;margin:.4em 0;font-size:1em"><tr>{head}</tr>{body}</table>{more}'


def _safe(text: str) -> str:
    return escape(printable(text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..."))


def _status(status: str) -> str:
    return f"{GLYPHS.get(status, '')} {status}".strip()


def _error(task: Task) -> str:
    exception = task.exception
    return "" if exception is None else str(exception)


def _counts(counts: dict[str, int]) -> str:
    """`17` where all are alike, else `16 succeeded, 1 failed`."""
    if len(counts) == 1:
        return str(*counts.values())
    return ", ".join(f"{number} {state}" for state, number in counts.items())


def _when(node: Run | Task | None) -> str:
    started = None if node is None else node.created_at
    return "" if started is None else moment_text(started.timestamp())


def _lasted(task: Task) -> str:
    started, ended = task.created_at, task.finished_at
    return "" if started is None or ended is None else duration_text((ended - started).total_seconds())
