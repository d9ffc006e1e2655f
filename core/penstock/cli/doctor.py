"""`flow doctor`: look at everything that a run would need here, and say what to type where something is wrong."""

from __future__ import annotations

import platform
import shlex
import sys

import click

from penstock.cli import document
from penstock.cli.command import Command
from penstock.compat.variables import OUR_PARAMETER
from penstock.contracts.finding import BAD, DOUBTFUL, GOOD, Finding
from penstock.errors import PenstockError
from penstock.options import CORE_OPTIONS, options_of
from penstock.registry import BROKEN, RESTRICTION
from penstock.settings import BACKEND_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from penstock.cli.session import Session
    from penstock.home import Home
    from penstock.registry import Registry

OTHER_VARIABLES = ("PENSTOCK_PROFILE", "PENSTOCK_USER", "PENSTOCK_WITH")  # that are no options
_MARKS = {GOOD: "ok", DOUBTFUL: "?", BAD: "FAIL"}


@click.command("doctor", cls=Command, help="Find what would keep a run from working here, and what to type next.")
@click.option("--json", "as_json", is_flag=True, help="One document on standard output.")
@click.pass_obj
def command(session: Session, *, as_json: bool) -> int:
    """0 when nothing is bad, else 1. Every finding is shown as soon as it is there."""
    rows = []
    for subject, one in _findings(session):
        rows.append({"subject": subject, "what": one.what, "state": one.state, "said": one.said, "hint": one.hint})
        if not as_json:
            _show(subject, one)
    bad = any(row["state"] == BAD for row in rows)
    if as_json:
        document.show(good=not bad, findings=rows)
    return 1 if bad else 0


def _show(subject: str, one: Finding) -> None:
    from penstock.cli.failure import shown_place
    from penstock.printable import printable

    click.echo(printable(f"{_MARKS[one.state]:<4}  {subject}: {one.what}: {shown_place(one.said)}"))
    if one.hint:
        click.echo(printable(f"      next: {shown_place(one.hint)}"))


def _findings(session: Session) -> Iterator[tuple[str, Finding]]:
    """Subject and finding, what everything else rests on first."""
    yield "penstock", _program()
    yield from (("plugins", one) for one in _plugins(session.registry))
    home = session.home
    for kind in BACKEND_KINDS:
        name = getattr(home.settings, kind)
        yield "settings", Finding(kind, f"{name} ({home.settings.origin_of(kind)})")
    yield from (("settings", one) for one in _misspelt(session.registry))
    parts: tuple[tuple[str, Callable[[Home], Iterable[Finding]]], ...] = (
        (f"datastore {home.settings.datastore}", lambda home: home.datastore.examine()),
        (f"executor {home.settings.executor}", _executor),
    )
    for subject, examine in parts:
        try:
            yield from ((subject, one) for one in examine(home))
        except PenstockError as error:
            yield subject, Finding("error", error.message, BAD, error.hint)


def _program() -> Finding:
    from penstock import __version__

    system = f"{platform.system()} {platform.machine()}"
    return Finding("version", f"{__version__} with Python {platform.python_version()} ({sys.executable}) on {system}")


def _plugins(registry: Registry) -> Iterator[Finding]:
    for plugin in registry.plugins():
        if plugin.state == BROKEN:
            who = f"{plugin.entry.distribution} {plugin.entry.version}"
            hint = f"pip install --upgrade {plugin.entry.distribution}"
            yield Finding(plugin.entry.name, f"{who} is broken: {plugin.reason}", DOUBTFUL, hint)


def _misspelt(registry: Registry) -> Iterator[Finding]:
    """Variables that say nothing, and have nearly the name of one that does."""
    import difflib
    import os

    known = [option.variable for option in CORE_OPTIONS]
    known += [option.variable for backend in registry.backends() for option in options_of(backend)]
    known += [*OTHER_VARIABLES, RESTRICTION]
    for name in sorted(os.environ):
        if name.startswith("PENSTOCK_") and not name.startswith(OUR_PARAMETER) and name not in known:
            near = difflib.get_close_matches(name, known, 1, cutoff=0.85)
            if near:
                meant = f"export {near[0]}={shlex.quote(os.environ[name])}"
                yield Finding(name, "no setting has this variable", DOUBTFUL, meant)


def _executor(home: Home) -> Iterator[Finding]:
    """That its jobs reach the store, then what it says itself."""
    from penstock.contracts.executor import Mount, RunInfo
    from penstock.running.placement import check_pair
    from penstock.user_name import user_name

    name = home.settings.executor
    check_pair(home, name)
    yield Finding("store", f"its jobs can use the datastore {home.settings.datastore}")
    run = RunInfo(flow="doctor", run="doctor", user=user_name())
    executor = home.executor(name, run, home.settings.options("executor", name))
    try:
        yield from executor.examine([Mount(path=path) for path in home.datastore.host_paths])
    finally:
        executor.close()
