"""`flow check FILE`: what is wrong with a flow, with file and line; by syntax alone where it can't be imported."""

from __future__ import annotations

import click

from penstock.cli import document
from penstock.cli.command import Command
from penstock.cli.failure import shown_file, shown_place
from penstock.cli.flow_command import alias_option
from penstock.cli.table import table
from penstock.compat.features import features
from penstock.compat.options import ALIAS
from penstock.errors import FlowError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from penstock.authoring.graph import Graph
    from penstock.cli.session import Session
    from penstock.compat.features import Feature
    from penstock.host.flow_file import FlowFile


class CheckCommand(Command):
    """Without FILE where it is known."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.append(alias_option())

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """FILE is the only argument."""
        return [one for one in super().get_params(ctx) if not (ctx.obj.script and isinstance(one, click.Argument))]


@click.command("check", cls=CheckCommand, help="Look for mistakes in a flow file. Exit code 3 when there are any.")
@click.argument("file", metavar="FILE[:FLOW]")
@click.option("--json", "as_json", is_flag=True, help="One document on standard output.")
@click.pass_obj
def command(session: Session, *, as_json: bool, alias: str, file: str = "") -> int:
    """0 or 3."""
    source = session.flow_file(file, alias=alias)
    used = _features(source)
    source.alias = ALIAS if used else alias
    path, flow = source.path, source.flow
    graph, found, note = _look(source)
    if as_json:
        features = [one.data() for one in used]
        document.show(flow=graph.name if graph else flow, file=path, problems=found, note=note, features=features)
    else:
        rows = [(one.name, one.status, str(one.line), one.note) for one in used]
        for line in table(("uses", "status", "line", ""), rows) if rows else ():
            click.echo(line)
        _print(path, graph, found, note)
        if used and not found:
            click.echo(f"  next: {session.again(f'flow run --{ALIAS} {shown_file(path)}')}")
    return FlowError.exit_code if found else 0


def _features(source: FlowFile) -> list[Feature]:
    """What a file uses that imports from the package that penstock can stand in for; empty for any other file."""
    import penstock

    try:
        with open(source.path, encoding="utf-8") as file:
            return features(file.read(), ALIAS, frozenset(penstock.__all__))
    except (OSError, ValueError, SyntaxError):  # importing it says the same, and better
        return []


def _look(source: FlowFile) -> tuple[Graph | None, list[dict[str, Any]], str]:
    """The graph as far as it is known, the problems, and a remark. Raises NotFound for a file that is not there."""
    from penstock.running.launch import declare

    try:
        with declare(source) as opened:
            parameters = [parameter["attribute"] for parameter in opened.declaration.parameters]
            return opened.declaration.graph, [], _doubts(source, parameters)
    except FlowError as error:
        graph, found = _by_syntax(source.path, source.flow)
        if graph is None or found:
            return graph, found or [_problem(error)], ""
        return graph, [_problem(error)], "by its syntax alone the graph is in order"


def _doubts(source: FlowFile, parameters: Collection[str]) -> str:
    """What may go wrong, and may not: a parameter that is assigned on one way through a step of this file."""
    from penstock.authoring.attribute_checks import Attributes

    graph, _ = _by_syntax(source.path, source.flow)
    lines = [
        f"{shown_place(step.file)}:{line}: step {step.name!r} fails if it comes here: self.{name} is a parameter"
        for step in graph or ()
        for name, line in Attributes(step, ()).names.items()
        if name in parameters
    ]
    return "\n".join(lines)


def _by_syntax(path: str, flow: str | None) -> tuple[Graph | None, list[dict[str, Any]]]:
    from penstock.authoring.graph_checks import problems
    from penstock.authoring.graph_source import graph_of_source

    try:
        with open(path, encoding="utf-8") as file:
            graph = graph_of_source(file.read(), path, flow)
    except (FlowError, OSError, UnicodeDecodeError):
        return None, []  # the import said the same, and better
    found = [{"message": one.message, "where": f"{one.file}:{one.line}", "hint": one.hint} for one in problems(graph)]
    return graph, found


def _problem(error: FlowError) -> dict[str, Any]:
    return {"message": error.message, "where": error.where, "hint": error.hint}


def _print(path: str, graph: Graph | None, found: list[dict[str, Any]], note: str) -> None:
    for one in found:
        click.echo(f"{shown_place(one['where'] or path)}: {one['message']}")
        if one["hint"]:
            click.echo(f"  next: {one['hint']}")
    if graph is not None and not found:
        click.echo(f"{graph.name}: {len(graph.steps)} steps, no problems")
    if note:
        click.echo(note, err=True)
