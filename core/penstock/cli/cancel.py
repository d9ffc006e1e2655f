"""`flow cancel RUN`: end a run, wherever its scheduler is. A flow's name alone is not enough."""

from __future__ import annotations

import click

from penstock.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.cli.session import Session


@click.command("cancel", cls=Command, help="End a run. RUN: Flow/RUN; a beginning of the id is enough.")
@click.argument("run")
@click.pass_obj
def command(session: Session, *, run: str) -> int:
    """0 when the run ended as cancelled, 1 when it had time to end otherwise."""
    from penstock.cli.console import PlainConsole
    from penstock.cli.target import run_of
    from penstock.running.cancellation import cancel_run
    from penstock.running.header import read_header
    from penstock.values import CANCELLED

    flow, run_id = run_of(session, run, named=True)
    header = read_header(session.home.datastore, flow, run_id)
    home = session.open_home(recorded=header["settings"])
    console = PlainConsole(quiet=session.quiet, script=session.script, again=session.again)
    outcome = cancel_run(home, flow, run_id, console.note)
    console.note(f"{flow}/{run_id} {outcome}")
    return 0 if outcome == CANCELLED else 1
