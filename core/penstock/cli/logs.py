"""`flow logs RUN/STEP[/TASK]`: what tasks printed, and nothing else, on standard output."""

from __future__ import annotations

import io
import sys
import time

import click

from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.target import at, tasks_of
from penstock.client import Task
from penstock.contracts.logsink import STDERR, STDOUT
from penstock.errors import UsageError
from penstock.printable import tame
from penstock.values import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from penstock.cli.session import Session

_LOOK_EVERY_S = 0.5


@click.command("logs", cls=Command)
@click.argument("pathspec")
@click.option("--stdout", "out", is_flag=True, help="Only what was printed.")
@click.option("--stderr", "err", is_flag=True, help="Only standard error, on standard output.")
@click.option(
    "--attempt", type=click.IntRange(min=0), metavar="N", help="Of this attempt; default: the one that counts."
)
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines of each stream.")
@click.option("-f", "--follow", is_flag=True, help="Go on while the task runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, the output as text.")
@click.pass_obj
def command(
    session: Session,
    pathspec: str,
    out: bool,
    err: bool,
    attempt: int | None,
    tail: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the output of a task, or of all tasks of a step or run in turn.

    Without --stdout and --stderr each stream goes to its own.
    """
    if follow and tail is not None:
        raise UsageError("--tail shows the end of what there is, --follow all that comes", hint="take one of them")
    tasks = list(tasks_of(session, pathspec))
    if attempt is not None:
        tasks = [Task(task.pathspec, attempt, _namespace_check=False, client=task._client) for task in tasks]
    if as_json and follow:
        raise UsageError("--json is one document, --follow has no end", hint="take one of them")
    chosen = [stream for stream, wanted in ((STDOUT, out), (STDERR, err)) if wanted] or [STDOUT, STDERR]
    if as_json:
        document.show(logs=[{**at(task), **{one: _text(task, one, tail) for one in chosen}} for task in tasks])
        return
    sinks: dict[str, BinaryIO] = dict.fromkeys(chosen, sys.stdout.buffer)
    if len(sinks) == 2:
        sinks[STDERR] = sys.stderr.buffer
    for task in tasks:
        if len(tasks) > 1 and not session.quiet:
            click.echo(f"== {task.parent.id}/{task.id}", err=True)
        if follow:
            _follow(task, sinks)
        else:
            for stream, sink in sinks.items():
                _write(sink, _tail(task.output(stream), tail))


def _follow(task: Task, sinks: dict[str, BinaryIO]) -> None:
    done = dict.fromkeys(sinks, 0)
    while True:
        running = task.status == RUNNING  # asked before reading: what comes afterwards is read in the next round
        for stream, sink in sinks.items():
            for piece in task.output(stream, done[stream]):
                done[stream] += len(piece)
                _write(sink, [piece])
        if not running:
            return
        time.sleep(_LOOK_EVERY_S)


def _text(task: Task, stream: str, tail: int | None) -> str:
    """What is no UTF-8 stands as a replacement character."""
    return b"".join(_tail(task.output(stream), tail)).decode("utf-8", "replace")


def _write(sink: BinaryIO, pieces: Iterable[bytes]) -> None:
    steers = sink.isatty()
    sink.writelines(tame(piece) if steers else piece for piece in pieces)
    sink.flush()


def _tail(pieces: Iterator[bytes], lines: int | None) -> Sequence[bytes] | Iterator[bytes]:
    if lines is None:
        return pieces
    every = io.BytesIO(b"".join(pieces)).readlines()
    return every[max(0, len(every) - lines) :]
