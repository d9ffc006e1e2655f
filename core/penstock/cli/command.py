"""A command of `flow`: its own options, those that all share, and those of the backends that are chosen.

Which options there are depends on options (`--executor=docker` brings `--docker-image`), so a command line is read
twice: first for the shared ones, with everything else passed over; then as a whole.
"""

from __future__ import annotations

import click

from penstock.cli.option import Sectioned, SettingOption, shared_options
from penstock.cli.process import collect_again
from penstock.cli.session import Session
from penstock.errors import UsageError
from penstock.options import options_of
from penstock.settings import BACKEND_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from penstock.plugin import Backend
    from penstock.settings import Settings

_EXTRA = "penstock.extra_options"


class Command(click.Command):
    """Use it as `@click.command("name", cls=Command)` with `@click.pass_obj`: the first argument is the `Session`."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        attributes.setdefault("context_settings", {"help_option_names": ["-h", "--help"], "max_content_width": 120})
        super().__init__(*args, **attributes)
        self.params += shared_options()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters and those that this command line brings."""
        return [*super().get_params(ctx), *ctx.meta.get(_EXTRA, ())]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read twice. Raises UsageError for an option of a backend that is not chosen, or one that is given twice."""
        if not isinstance(ctx.obj, Session):
            ctx.obj = Session()
        ctx.obj.typed = (ctx, list(args))
        try:
            ctx.meta[_EXTRA] = list(self.extra_options(ctx, list(args)))
            ctx.obj.flags.clear()
            self._refuse_twice(ctx, args)
            return super().parse_args(ctx, args)
        except BaseException as error:
            ctx.close()  # click closes a context only when it was made to the end: a host may have been started
            if isinstance(error, click.NoSuchOption):
                raise self._meant(ctx) or self._of_another_backend(ctx.obj, error.option_name) or error from None
            if isinstance(error, click.UsageError):
                raise self._meant(ctx) or error from None
            raise

    def extra_options(self, ctx: click.Context, args: list[str]) -> Iterable[click.Parameter]:
        """Options that depend on the command line: here those of the chosen backends."""
        self.peek(ctx, args)
        return self.backend_options(ctx.obj.open_home().settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Of a script each command first says, as Metaflow's do, what runs for whom."""
        session: Session = ctx.obj
        if session.owns_process:
            collect_again()
        if session.script and not session.quiet:
            from penstock import __version__
            from penstock.user_name import user_name

            click.echo(f"penstock {__version__} executing {session.flow} for user:{user_name()}", err=True)
        return super().invoke(ctx)

    def peek(self, ctx: click.Context, args: list[str]) -> tuple[dict[str, Any], list[str]]:
        """Read what is known of the command line into the session; returns values, and the words that are left."""
        known = [
            one for one in click.Command.get_params(self, ctx) if isinstance(one, click.Option) and not one.is_eager
        ]
        reader = click.Command(
            "peek",
            params=list(known),
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )
        with reader.make_context("peek", args, obj=ctx.obj, resilient_parsing=True) as found:
            return found.params, found.args

    def backend_options(self, settings: Settings, executors: Iterable[str] = ()) -> list[click.Parameter]:
        """Options of the backends that these settings choose; executors: further ones that single steps name."""
        chosen = [(kind, getattr(settings, kind)) for kind in BACKEND_KINDS]
        chosen += [("executor", name) for name in executors]
        found: dict[str, click.Parameter] = {}
        for kind, name in dict.fromkeys(chosen):
            backend = settings.declarations.choose(kind, name)
            for option in options_of(backend):
                # A class named by its import target has no name that anybody typed: its kind names its options too.
                also = f"--{kind}-{option.name.replace('_', '-')}" if ":" in name else ""
                found.setdefault(option.flag, SettingOption(option, f"Settings of {_titled(backend)}", also))
        return list(found.values())

    def _refuse_twice(self, ctx: click.Context, args: list[str]) -> None:
        single = [one for one in self.get_params(ctx) if isinstance(one, click.Option) and not one.multiple]
        words = args[: args.index("--")] if "--" in args else args
        for one in single:
            if one.is_flag:
                continue
            given = [word for word in words if word.partition("=")[0] in one.opts and word.startswith("--")]
            if len(given) > 1:
                raise UsageError(f"{one.opts[0]} is given {len(given)} times", hint="say it once")

    def _meant(self, ctx: click.Context) -> UsageError | None:
        """An option without its dashes, or with one of them."""
        known = {spelt for one in self.get_params(ctx) if isinstance(one, click.Option) for spelt in one.opts}
        for word in ctx.obj.typed[1]:
            dashed = f"--{word.lstrip('-')}"
            if word != dashed and ("=" in word or word.startswith("-")) and dashed.partition("=")[0] in known - {word}:
                return UsageError(f"{word} is no option", where=word, hint=f"did you mean {dashed}?")
        return None

    def _of_another_backend(self, session: Session, flag: str) -> UsageError | None:
        for backend in session.registry.backends():
            for option in options_of(backend):
                if flag in (option.flag, f"--no-{option.flag[2:]}"):
                    return UsageError(
                        f"{flag} belongs to {_titled(backend)}, which is not chosen",
                        hint=f"add --{backend.kind}={backend.name}",
                    )
        absent = session.registry.absent(flag.removeprefix("--"))
        return None if absent is None else UsageError(f"there is no {flag}: {absent.message}", hint=absent.hint)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options under their headings: those of the command first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for one in self.get_params(ctx):
            row = one.get_help_record(ctx)
            if row is not None and row[1]:  # an argument without a word about it stands in the first line
                sections.setdefault(one.section if isinstance(one, Sectioned) else "Options", []).append(row)
        for title in sorted(sections, key=lambda title: (title != "Options", not title.startswith("Param"))):
            if sections[title]:
                with formatter.section(title):
                    formatter.write_dl(sections[title])


def _titled(backend: Backend) -> str:
    return f"the {backend.kind} {backend.name}"
