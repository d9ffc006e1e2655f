"""`flow resume FILE [STEP]`: a new run that takes over the finished tasks of an earlier one."""

from __future__ import annotations

import click

from penstock.cli.flow_command import FlowCommand, home_of, opened_of, wishes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from penstock.cli.session import Session

HELP = """Run a flow again with the parameters of an earlier run, and take over what that run finished.

With STEP, this step and all that follow it run anew.
"""


@click.command("resume", cls=FlowCommand, help=HELP)
@click.argument("step", required=False)
@click.option("--origin-run-id", "origin", metavar="RUN", help="Take over from this run.  [the latest of the flow]")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    step: str | None,
    origin: str | None,
    debug: bool,
    executor_for: Sequence[str],
    file: str = "",
    alias: str,
    **options: Any,
) -> int:
    """Returns the exit code of the run."""
    from penstock.cli.console import PlainConsole

    del file, alias  # were read before the options were known
    session: Session = ctx.obj
    opened = opened_of(ctx)
    home = home_of(ctx, debug=debug)
    wishes = wishes_of(home, executor_for=executor_for, debug=debug, **options)
    console = PlainConsole(opened.declaration.graph, quiet=session.quiet, script=session.script, again=session.again)
    origin = None if origin is None else origin.removeprefix(f"{opened.declaration.flow}/")
    return opened.resume(home, wishes, console, origin=origin, step=step).exit_code
