"""The group `flow`: commands by name, each imported when it is called."""

from __future__ import annotations

import importlib
import itertools
import os
import sys

import click

from penstock import entry_points
from penstock.cli.failure import PipeClosed, shown_file
from penstock.cli.option import shared_options
from penstock.cli.process import collect_again
from penstock.cli.session import Session, split_file
from penstock.errors import PluginError, UsageError
from penstock.nearest import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from typing import Any

    from penstock.plugin import Command
    from penstock.registry import Plugin

# Name -> module of `penstock.cli` whose `command` it is, and what the help says. The order is that of the help.
COMMANDS = {
    "run": ("run", "Run a flow."),
    "resume": ("resume", "Run a flow again, taking over what an earlier run finished."),
    "continue": ("continue_", "Go on with a run whose scheduler died."),
    "cancel": ("cancel", "End a run from anywhere."),
    "check": ("check", "Look for mistakes in a flow file without running it."),
    "show": ("show", "Show the graph of a flow, or a run, step or task."),
    "runs": ("runs", "List runs."),
    "logs": ("logs", "Print the output of tasks."),
    "dump": ("dump", "Print or save artifacts."),
    "tag": ("tag", "Show or change the tags of a run."),
    "plugins": ("plugins", "List plugins and backends, with their state."),
    "config": ("config", "Show the settings that hold, and where each comes from."),
    "doctor": ("doctor", "Find what would keep a run from working here."),
}

ELSEWHERE = {
    "version": "--version", "list": "runs", "ls": "runs", "ps": "runs", "status": "show RUN", "start": "run FILE",
    "exec": "run FILE", "stop": "cancel RUN", "kill": "cancel RUN", "retry": "resume FILE", "validate": "check FILE",
    "lint": "check FILE", "graph": "show FILE", "inspect": "show RUN", "settings": "config",
}  # fmt: skip - what other programs call it


class FlowGroup(click.Group):
    """Core's commands, then those of plugins; a plugin can't replace a command of core."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click makes it. Raises PipeClosed."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError as error:
            raise PipeClosed from error

    def invoke(self, ctx: click.Context) -> Any:
        """The command. Raises PipeClosed."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the help."""
        return [*COMMANDS, *(command.name for _, command in _added(ctx.obj))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name in COMMANDS:
            command: click.Command = importlib.import_module(f"penstock.cli.{COMMANDS[name][0]}").command
            return command
        for plugin, found in _added(ctx.obj):
            if found.name == name:
                collect_again()
                return _of_plugin(plugin.entry.distribution, found.target)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name, command and what is left. Raises UsageError that offers the nearest command."""
        found = self.get_command(ctx, args[0])
        if found is None:
            meant = _meant(ctx.obj, args) or hint(args[0], self.list_commands(ctx))
            raise UsageError(f"there is no command {args[0]!r}", hint=meant)
        return args[0], found, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and summaries, without importing any command."""
        rows = [(name, summary) for name, (_, summary) in COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        added = [(one.name, one.summary) for _, one in _added(ctx.obj)]
        if added:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(added)


def _meant(session: Session, args: Sequence[str]) -> str:
    """What is known elsewhere under another name; a flow file without its command."""
    word, *rest = args
    if word == "help":
        return " ".join([session.called, *rest[:1], "--help"])
    if word in ELSEWHERE:
        return f"{session.called} {ELSEWHERE[word]}"
    if os.path.isfile(split_file(word)[0]) and not session.script:
        command = next((one for one in rest if one in COMMANDS), "run")
        return f"{session.called} {command} {shown_file(word)}"
    return ""


def _added(session: Session) -> list[tuple[Plugin, Command]]:
    """Commands of plugins. Where core's own are the only ones there are none, and nothing is loaded to see it."""
    if all(entry.own for entry in entry_points.scan(sys.path)):
        return []
    return [(plugin, command) for plugin, command in session.registry.commands() if command.name not in COMMANDS]


def _of_plugin(distribution: str, target: str) -> click.Command:
    from penstock import contracts

    found = contracts.load(target)
    if not isinstance(found, click.Command):
        raise PluginError(
            f"{target} of {distribution} is no click command", hint=f"pip install --upgrade {distribution}"
        )
    return found


def command_first(words: Iterable[str], commands: Container[str], values: Mapping[str, int]) -> list[str]:
    """Put the command before the options that were typed in front of it: every command takes the shared options.

    values: known options, and how many words after them are their value. Words without a command stay as they are.
    """
    before: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            if word in commands:
                return [word, *before, *rest]
            return [*before, word, *rest]
        before.append(word)
        if "=" not in word:
            before += itertools.islice(rest, values.get(word, 0))
    return before


def options_with_values() -> dict[str, int]:
    """The shared options by name, and how many words after them are their value."""
    return {
        name: 0 if option.is_flag else option.nargs
        for option in shared_options()
        if isinstance(option, click.Option)
        for name in option.opts
    }


def group(session: Session) -> FlowGroup:
    """The group for one call. Of a script its help names the script."""
    about = f"Commands of {session.flow}." if session.script else "Run data-science flows, and look at what they did."
    return FlowGroup(
        name=session.program,
        help=about,
        epilog="`COMMAND --help` says more. Options of a command may also stand before it.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
        params=[click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version)],
    )


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        import platform

        from penstock import __version__

        click.echo(f"penstock {__version__} (Python {platform.python_version()})")
        ctx.exit()
