"""`flow dump RUN/STEP[/TASK]`: the values of artifacts, on standard output or as a pickle in a file."""

from __future__ import annotations

import pickle
import pprint
from pathlib import Path

import click

from penstock.amounts import bytes_text
from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.target import at, tasks_of
from penstock.errors import ArtifactError, NotFound, UsageError
from penstock.nearest import hint
from penstock.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from penstock.cli.session import Session
    from penstock.client import DataArtifact, Task

_SHOWN_BYTES = 1000  # of a pickled value that is printed whole unless --max-value-size says otherwise


@click.command("dump", cls=Command)
@click.argument("pathspec")
@click.option("--include", multiple=True, metavar="NAME", help="Only these artifacts: names, separated by commas.")
@click.option("--private", is_flag=True, help="Also names that begin with an underscore.")
@click.option("--max-value-size", type=click.IntRange(min=0), metavar="BYTES", help="Only values up to this size.")
@click.option("--file", "file", type=click.Path(dir_okay=False), help="Write a pickle: {run/step/task: {name: value}}.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON document with types, sizes and previews; reads no value."
)
@click.pass_obj
def command(
    session: Session,
    pathspec: str,
    include: tuple[str, ...],
    private: bool,
    max_value_size: int | None,
    file: str | None,
    as_json: bool,
) -> None:
    """Show the artifacts of a task, or of all tasks of a step.

    A name that a task lacks is passed over: tasks of one step may have different artifacts.
    """
    names = {name.strip() for one in include for name in one.split(",") if name.strip()}
    tasks = list(tasks_of(session, pathspec))
    found = {_key(task): _chosen(task, names, private) for task in tasks}
    if names and file is None and not as_json and not any(found.values()):
        known = sorted({name for task in tasks for name in dir(task.artifacts)})
        raise NotFound(f"{pathspec} has no artifact {', '.join(sorted(names))}", hint=hint(min(names), known))
    if file is not None:
        _write(file, found, max_value_size)
    elif as_json:
        chosen = zip(tasks, found.values(), strict=True)
        document.show(tasks=[{**at(task), "artifacts": {o.id: _described(o) for o in every}} for task, every in chosen])
    else:
        _print(found, _SHOWN_BYTES if max_value_size is None else max_value_size)
        _say_what_is_missing(session, tasks, names, found)


def _key(task: Task) -> str:
    """`run/step/task`, without the flow: as scripts that read the pickle expect it."""
    return "/".join(task.path_components[1:])


def _chosen(task: Task, names: set[str], private: bool) -> list[DataArtifact]:
    every = task.artifacts
    return [
        getattr(every, name)
        for name in dir(every)
        if (name in names if names else True) and (private or not name.startswith("_"))
    ]


def _described(artifact: DataArtifact) -> dict[str, Any]:
    return {"type": artifact.type, "size": artifact.size, "hash": artifact.sha, "preview": artifact.preview}


def _write(file: str, found: dict[str, list[DataArtifact]], limit: int | None) -> None:
    """Values are read before the file is touched, so that one that can't be read leaves the old file as it was."""
    values = {
        key: {one.id: one.data for one in every if limit is None or one.size <= limit} for key, every in found.items()
    }
    raw = pickle.dumps(values)
    try:
        Path(file).write_bytes(raw)
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}", where="--file", hint="--file=PATH") from error


def _print(found: dict[str, list[DataArtifact]], limit: int) -> None:
    for key, every in found.items():
        if len(found) > 1:
            click.echo(f"{key}:")
        for artifact in every:
            click.echo(f"{artifact.id} = {_text(artifact, limit)}")


def _text(artifact: DataArtifact, limit: int) -> str:
    if artifact.size > limit:
        kind = f"{artifact.preview}  " if artifact.preview else ""
        return f"{printable(kind)}<{artifact.type}, {bytes_text(artifact.size)}>"
    try:
        return printable(pprint.pformat(artifact.data, width=100), lines=True)
    except ArtifactError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  the value's own `__repr__` may raise anything
        reason = f"its repr raises {type(error).__name__}"
    return f"<{artifact.type}, {bytes_text(artifact.size)}: {printable(reason)}>"


def _say_what_is_missing(
    session: Session, tasks: list[Task], names: set[str], found: dict[str, list[DataArtifact]]
) -> None:
    there = {one.id for every in found.values() for one in every}
    for name in sorted(names - there):
        known = {known for task in tasks for known in dir(task.artifacts)}
        if not session.quiet:
            click.echo(f"no artifact {name!r}; {hint(name, sorted(known))}", err=True)
