"""`flow runs [FLOW]`: which runs there are, newest first."""

from __future__ import annotations

import itertools
import time

import click

from penstock.amounts import duration_text, moment_text
from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.option import Nearest
from penstock.cli.table import table
from penstock.client import Client
from penstock.errors import NotFound
from penstock.values import CANCELLED, FAILED, RUNNING, SUCCEEDED
from penstock.view import RUN_STATES
from penstock.which_run import runs_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from penstock.cli.session import Session
    from penstock.contracts.metadata import RunRow


@click.command("runs", cls=Command)
@click.argument("flow", required=False)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only runs with this tag; repeat for several.")
@click.option("--status", type=Nearest(RUN_STATES), help="Only runs in this state.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--all", "every", is_flag=True, help="All of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def command(
    session: Session,
    flow: str | None,
    tags: tuple[str, ...],
    status: str | None,
    limit: int,
    every: bool,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    client = Client.over(session.home)
    flow = flow or session.flow
    if flow is not None and next(client.run_rows(flow, limit=1), None) is None:
        missing = client.no_flow(flow)
        if "/" in flow or runs_back(flow) is not None:
            missing = NotFound(f"{flow} is a run, and `runs` lists those of a flow", hint=f"flow show {flow}")
        raise missing
    found = _found(client, flow, tags, status)
    rows = list(found if every else itertools.islice(found, limit))
    if as_json:
        document.show(runs=rows)
        return
    if not rows:
        if not session.quiet:
            click.echo("no such run" if flow or tags or status else f"no flow has run in {client.label} yet", err=True)
        return
    for line in table(("run", "status", "started", "took", "by", "tags"), map(_shown, rows)):
        click.echo(line)
    if not every and not session.quiet and next(found, None) is not None:
        click.echo("there are more: add --all, or -n NUMBER", err=True)


def _found(client: Client, flow: str | None, tags: tuple[str, ...], status: str | None) -> Iterator[dict[str, Any]]:
    claimed = status if status in (SUCCEEDED, FAILED, CANCELLED) else None
    for row in client.run_rows(flow, tags=tags, outcome=claimed):
        if claimed is None and status is not None and row.outcome is not None:
            continue  # it has ended, so it neither runs nor died
        one = _described(client, row)
        if status is None or one["status"] == status:
            yield one


def _described(client: Client, row: RunRow) -> dict[str, Any]:
    history = client.history(row.flow, row.run, row)
    try:
        header = history.header
    except NotFound:  # torn: the run is listed all the same
        header = {}
    outcome = history.outcome() or {}
    return {
        "flow": row.flow,
        "run": row.run,
        "status": history.status(),
        "started_s": row.started_s,
        "ended_s": outcome.get("ended_s"),
        "user": header.get("user"),
        "tags": sorted(history.user_tags()),
        "origin": header.get("origin"),
        "parameters": header.get("parameters") or {},
    }


def _shown(one: dict[str, Any]) -> tuple[str, ...]:
    ended_s = one["ended_s"] or (time.time() if one["status"] == RUNNING else None)
    took = "" if ended_s is None else duration_text(ended_s - one["started_s"])
    tags = ", ".join(one["tags"])
    return f"{one['flow']}/{one['run']}", one["status"], moment_text(one["started_s"]), took, one["user"] or "", tags
