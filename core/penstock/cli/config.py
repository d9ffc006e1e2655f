"""`flow config`: every setting of the chosen backends, its value and where that was said."""

from __future__ import annotations

import click

from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.table import table
from penstock.errors import NotFound, NotInstalled, PluginError
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
            raise _no_setting(session, key, known)
    if as_json:
        document.show(settings=rows)
    elif key is not None:
        click.echo(_shown(rows[0]["value"]))
    else:
        cells = [[row["key"], _shown(row["value"]), row["origin"]] for row in rows]
        for line in table(("setting", "value", "origin"), cells):
            click.echo(line)
    return 0


def _no_setting(session: Session, key: str, known: list[str]) -> NotFound:
    """The error for a key that is none, or that belongs to a backend that is not chosen or not installed."""
    owner, _, name = key.rpartition(".")
    if not owner:
        return NotFound(f"there is no setting {key!r}", hint=hint(key, known))
    brought = [backend for backend in session.registry.backends() if backend.name == owner]
    names = [option.name for backend in brought for option in options_of(backend)]
    if name in names:
        kind = next(one.kind for one in brought if name in [option.name for option in options_of(one)])
        return NotFound(
            f"{key} is a setting of the {kind} {owner}, which is not chosen", hint=f"flow config {key} --{kind}={owner}"
        )
    if brought:
        return NotFound(f"{owner} has no setting {name!r}", hint=hint(name, names) or f"{owner} has no settings")
    try:
        session.registry.choose("executor", owner)
    except NotInstalled as error:
        return NotFound(f"there is no setting {key!r}: {owner} is not installed", hint=error.hint)
    except PluginError:
        pass
    return NotFound(f"there is no setting {key!r}", hint=hint(key, known))


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
