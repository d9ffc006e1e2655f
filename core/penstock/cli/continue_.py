"""`flow continue RUN`: go on with a run whose scheduler died, with its own code."""

from __future__ import annotations

import click

from penstock.cli.command import Command
from penstock.cli.option import SettingOption
from penstock.options import CORE_OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.cli.session import Session

HELP = """Go on in the same run after its scheduler died. RUN: Flow/RUN; a beginning of the id is enough.

The run's own code and executor are used. It is refused while somebody drives the run.
"""


class ContinueCommand(Command):
    """Takes a bound for workers beside the shared options."""

    def __init__(self, *args: object, **attributes: object) -> None:
        super().__init__(*args, **attributes)
        self.params.append(SettingOption(next(o for o in CORE_OPTIONS if o.name == "max_workers"), "Options"))


@click.command("continue", cls=ContinueCommand, help=HELP)
@click.argument("run")
@click.option("--takeover", is_flag=True, help="Although its scheduler, on another machine, was seen a moment ago.")
@click.pass_obj
def command(session: Session, *, run: str, takeover: bool) -> int:
    """Returns the exit code of the run."""
    from penstock.authoring.graph import Graph
    from penstock.cli.console import PlainConsole
    from penstock.cli.target import run_of
    from penstock.running.continuation import continue_run
    from penstock.running.header import read_header

    flow, run_id = run_of(session, run)
    header = read_header(session.home.datastore, flow, run_id)
    home = session.open_home(recorded=header["settings"])
    console = PlainConsole(Graph.of(header["graph"]), quiet=session.quiet, script=session.script, again=session.again)
    workers = home.settings.max_workers
    return continue_run(home, flow, run_id, console, takeover=takeover, max_workers=workers).exit_code
