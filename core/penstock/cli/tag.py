"""`flow tag RUN`, `flow tag add RUN TAG...`: the tags of a run. Also as Metaflow spells it, with `--run-id`."""

from __future__ import annotations

import click

from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.target import at, target_of
from penstock.client import Run
from penstock.errors import NotFound, UsageError
from penstock.nearest import nearest
from penstock.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.cli.session import Session

_LIST, _ADD, _REMOVE, _REPLACE = "list", "add", "remove", "replace"
ACTIONS = (_LIST, _ADD, _REMOVE, _REPLACE)
HELP = """Show or change the tags of a run. RUN: Flow/RUN, a beginning of the id, `latest`.

\b
flow tag RUN                         its tags
flow tag add RUN TAG...              add tags; `remove` removes them
flow tag replace RUN OLD NEW         remove one, then add one
flow tag RUN --add A --remove B      any number of both at once
"""


@click.command("tag", cls=Command, help=HELP)
@click.argument("words", nargs=-1, metavar="[list|add|remove|replace] RUN [TAG]...")
@click.option("--run-id", metavar="RUN", help="The run, instead of the word RUN.")
@click.option("--add", "added", multiple=True, metavar="TAG", help="Add this one; may be repeated.")
@click.option("--remove", "removed", multiple=True, metavar="TAG", help="Remove this one; may be repeated.")
@click.option("--hide-system-tags", is_flag=True, help="Only tags that people set.")
@click.option("--flat", is_flag=True, help="One tag a line, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="One document on standard output.")
@click.option("--namespace", hidden=True, expose_value=False)
@click.pass_obj
def command(
    session: Session,
    *,
    words: Sequence[str],
    run_id: str | None,
    added: Sequence[str],
    removed: Sequence[str],
    hide_system_tags: bool,
    flat: bool,
    as_json: bool,
) -> None:
    """Raises UsageError for a change that can't be made, and then nothing is changed; NotFound."""
    left = list(words)
    action = left.pop(0) if left and left[0] in ACTIONS else _LIST
    if run_id is None and not left:
        raise UsageError("which run?", hint=f"{session.called} tag {action} RUN")
    try:
        run = _run(session, run_id if run_id is not None else left.pop(0))
    except NotFound as error:
        meant = nearest(words[0], ACTIONS) if left and action == _LIST else None
        if meant is not None:
            error.hint = f"{session.called} tag {' '.join([meant, *left])}"
        raise
    add, remove = [*added], [*removed]
    if action == _REPLACE and left and len(left) != 2:
        raise UsageError("replace takes two tags, OLD and NEW", hint="--remove OLD --add NEW   # for several")
    if left and action == _LIST:
        hint = f"{session.called} tag add {run.pathspec} {left[0]}"
        raise UsageError(f"what shall be done with {left[0]!r}?", hint=hint)
    remove += left if action == _REMOVE else left[:1] if action == _REPLACE else []
    add += left if action == _ADD else left[1:] if action == _REPLACE else []
    if action != _LIST and not (add or remove):
        raise UsageError(f"which tags? There is nothing to {action}", hint=f"{session.called} tag {action} RUN TAG...")
    if add or remove:
        try:
            run.replace_tags(remove, add)
        except UsageError as error:
            error.hint = error.hint or f"{session.called} tag {run.pathspec}   # shows what it has"
            raise
        run = _run(session, run.pathspec)
    _tell(session, run, hide_system_tags, flat, as_json)


def _run(session: Session, text: str) -> Run:
    found = target_of(session, text)
    if not isinstance(found, Run):
        raise UsageError(f"{text!r} is not a run", hint=f"{session.called} tag {'/'.join(text.split('/')[:2])}")
    return found


def _tell(session: Session, run: Run, hide: bool, flat: bool, as_json: bool) -> None:
    """Of a script on standard error, where Metaflow's tools look for it; else on standard output."""
    own, system = sorted(run.user_tags), sorted(run.system_tags)
    if as_json:
        document.show(**at(run), tags=own, system_tags=system)
        return
    lines = [printable(tag) for tag in (own if hide else sorted({*own, *system}))]
    if not flat:
        lines = [f"tags  {', '.join(map(printable, own)) or 'none'}"]
        lines += [] if hide else [f"of the system  {', '.join(map(printable, system))}"]
    for line in lines:
        click.echo(line, err=session.script)
