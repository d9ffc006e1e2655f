"""`flow run FILE`: declare the flow, resolve the settings, run it to its end."""

from __future__ import annotations

import click

from penstock.cli.flow_command import FlowCommand, home_of, opened_of, wishes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from penstock.cli.session import Session


class RunCommand(FlowCommand):
    """With the parameters of the flow as options."""

    takes_parameters = True


HELP = "Run the flow of a file to its end. Its parameters are options, too: `flow run FILE --help` shows them."


@click.command("run", cls=RunCommand, help=HELP)
@click.pass_context
def command(
    ctx: click.Context, /, *, debug: bool, executor_for: Sequence[str], file: str = "", alias: str, **options: Any
) -> int:
    """Returns the exit code of the run."""
    from penstock.cli.console import PlainConsole
    from penstock.cli.parameters import given_parameters

    del file, alias  # were read before the options were known
    session: Session = ctx.obj
    opened = opened_of(ctx)
    parameters = given_parameters(opened.declaration, ctx.meta.get("penstock.parameters", {}))
    home = home_of(ctx, debug=debug)
    wishes = wishes_of(home, executor_for=executor_for, debug=debug, **options)
    console = PlainConsole(opened.declaration.graph, quiet=session.quiet, script=session.script, again=session.again)
    return opened.run(home, parameters, wishes, console).exit_code
