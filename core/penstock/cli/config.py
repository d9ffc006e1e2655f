"""`flow config`: every setting of the chosen backends, its value and where that was said."""

from __future__ import annotations

import click

from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.table import table
from penstock.errors import NotFound
from penstock.nearest import hint
from penstock.options import CORE_OPTIONS, options_of
from penstock.settings import BACKEND_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from penstock.cli.session import Session
    from penstock.settings import Settings


@click.command("config", cls=Command, help="Show the settings that hold here, and where each one comes from.")
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="One document on standard output.")
@click.pass_obj
def command(session: Session, *, key: str | None, as_json: bool) -> int:
    """Raises NotFound for a key that is none."""
    rows = list(_rows(session.home.settings))
    if key is not None:
        known = [row["key"] for row in rows]
        rows = [row for row in rows if row["key"] == key]
        if not rows:
            raise NotFound(f"there is no setting {key!r}", hint=hint(key, known))
    if as_json:
        document.show(settings=rows)
    elif key is not None:
        click.echo(_shown(rows[0]["value"]))
    else:
        cells = [[row["key"], _shown(row["value"]), row["origin"]] for row in rows]
        for line in table(("setting", "value", "origin"), cells):
            click.echo(line)
    return 0


def _rows(settings: Settings) -> Iterator[dict[str, Any]]:
    for kind in BACKEND_KINDS:
        yield {"key": kind, "value": getattr(settings, kind), "origin": settings.origin_of(kind)}
    for option in CORE_OPTIONS:
        if option.name not in BACKEND_KINDS:
            yield {"key": option.key, "value": settings.value(option), "origin": settings.origin_of(option.key)}
    seen = set()
    for kind in BACKEND_KINDS:
        name = getattr(settings, kind)
        values = settings.options(kind, name)
        for option in options_of(settings.declarations.choose(kind, name)):
            if option.key not in seen:
                seen.add(option.key)
                value = "********" if option.secret and values[option.name] is not None else values[option.name]
                yield {"key": option.key, "value": value, "origin": settings.origin_of(option.key)}


def _shown(value: Any) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
