"""`flow plugins`: what is installed, and why something of it can't be used."""

from __future__ import annotations

import click

from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from penstock.cli.session import Session
    from penstock.registry import Registry

COLUMNS = ("kind", "name", "plugin", "distribution", "contract", "state", "summary")


class PluginsCommand(Command):
    """Works whatever else is wrong: it opens no store and needs no setting."""

    def extra_options(self, ctx: click.Context, args: list[str]) -> Iterable[click.Parameter]:
        """None."""
        return ()


@click.command("plugins", cls=PluginsCommand, help="List backends and plugins: kind, name, where from, and state.")
@click.option("--json", "as_json", is_flag=True, help="One document on standard output.")
@click.pass_obj
def command(session: Session, *, as_json: bool) -> int:
    """0, whatever the states are."""
    rows = list(_rows(session.registry))
    if as_json:
        document.show(plugins=rows)
        return 0
    for line in table(COLUMNS, [[str(row[column]) for column in COLUMNS] for row in rows]):
        click.echo(line)
    return 0


def _rows(registry: Registry) -> Iterator[dict[str, Any]]:
    from penstock.registry import offered_contract

    for found in registry.plugins():
        who = {"plugin": found.entry.name, "distribution": f"{found.entry.distribution} {found.entry.version}"}
        for backend in found.backends:
            offered = offered_contract(backend.kind)
            state = found.state
            if backend.contract != offered:
                state = f"needs contract {backend.contract}, core offers {offered}"
            yield {
                "kind": backend.kind, "name": backend.name, **who, "contract": backend.contract, "state": state,
                "summary": backend.summary + (" (default)" if backend.default and found.entry.own else ""),
            }  # fmt: skip
        if not found.backends:
            state = f"{found.state}: {found.reason}" if found.reason else found.state
            yield {"kind": "plugin", "name": found.entry.name, **who, "contract": "", "state": state, "summary": ""}
