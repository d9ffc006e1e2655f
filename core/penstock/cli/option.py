"""Options as click knows them: settings, which every command takes, and the parameters of a flow."""

from __future__ import annotations

import click

from penstock.compat.options import CONFIGS, ENVIRONMENT, IGNORED
from penstock.options import CORE_OPTIONS, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

SHARED = "Settings"
METAVARS = {"str": "TEXT", "int": "N", "float": "N", "Path": "PATH", "tuple[str,...]": "A,B"}


class Sectioned(click.Option):
    """An option that the help shows under a heading of its own."""

    def __init__(self, declarations: Sequence[str], *, section: str, **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.section = section


class SettingOption(Sectioned):
    """A setting; what is typed goes as text into the session, where the layers are laid over one another.

    also: a second spelling.
    """

    def __init__(self, setting: Option, section: str, also: str = "") -> None:
        self.setting = setting
        flag = setting.flag
        truth = setting.base_type == "bool"
        super().__init__(
            [f"{one}/--no-{one[2:]}" if truth else one for one in (flag, also) if one],
            section=section,
            help=setting.help + (f"  [{setting.default}]" if setting.default not in (None, False) else ""),
            metavar=None if truth else METAVARS.get(setting.base_type, "TEXT"),
            default=None,
            expose_value=False,
            callback=self._keep,
        )

    def _keep(self, ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            ctx.obj.flags[self.setting.key] = str(value).lower() if isinstance(value, bool) else value


class ParameterOption(Sectioned):
    """A parameter of the flow. Its text is converted once here, so that a mistake is told before anything runs."""

    def __init__(self, declaration: Mapping[str, Any], flow: str) -> None:
        self.declaration = declaration
        name = declaration["name"]
        spelt = list(dict.fromkeys(f"--{one}" for one in (name, name.replace("_", "-"), name.replace("-", "_"))))
        default = declaration["default"]
        shown = "  [required]" if declaration["required"] else f"  [{default}]" if default is not None else ""
        optional_value = {"is_flag": False, "flag_value": "true"} if declaration["type"] == "bool" else {}
        super().__init__(
            [*spelt, f"parameter_{name}".replace("-", "_")],
            section=f"Parameters of {flow}",
            help=declaration["help"] + shown,
            metavar=declaration["type"].upper(),
            default=None,
            expose_value=False,
            callback=self._keep,
            **optional_value,
        )

    def _keep(self, ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            from penstock.authoring.parameters import convert

            convert(self.declaration, value)
            ctx.meta.setdefault("penstock.parameters", {})[self.declaration["name"]] = value


class Nearest(click.Choice[str]):
    """One of a few words; a wrong one is answered with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from penstock.nearest import nearest

        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            near = nearest(str(value), self.choices)
            if near is None:
                raise
            raise click.BadParameter(f"{error.message} Did you mean {near!r}?", ctx=ctx, param=param) from None


def shared_options() -> list[click.Parameter]:
    """What every command takes, before or after its name."""
    settings = [SettingOption(option, SHARED) for option in CORE_OPTIONS if option.name != "max_workers"]
    return [
        *settings,
        Sectioned(["--profile"], section=SHARED, metavar="NAME", help="Use profiles.NAME of the project file.",
                  expose_value=False, callback=_keep_profile),
        Sectioned(["-q", "--quiet"], section=SHARED, is_flag=True, help="Only results and the output of tasks.",
                  expose_value=False, callback=_keep_quiet),
        Sectioned(["--with", "added"], section=SHARED, metavar="NAME[:key=value,...]", multiple=True,
                  help="Add a decorator to every step that lacks it; may be repeated.",
                  expose_value=False, callback=_keep_added),
        *(
            click.Option([name], hidden=True, is_flag=not words, multiple=bool(words), expose_value=False)
            for name, words in IGNORED.items()
        ),
        *(
            click.Option([name], hidden=True, nargs=2, multiple=True, expose_value=False,
                         callback=_keep_configs)
            for name in CONFIGS
        ),
        click.Option([ENVIRONMENT], hidden=True, type=click.Choice(["local"]), expose_value=False),
    ]  # fmt: skip


def _keep_profile(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    ctx.obj.profile = value or ctx.obj.profile


def _keep_added(ctx: click.Context, _: click.Parameter, value: Sequence[str]) -> None:
    ctx.obj.added = tuple(value)


def _keep_configs(ctx: click.Context, _: click.Parameter, value: Sequence[tuple[str, str]]) -> None:
    ctx.obj.configs += [name for name, _ in value]


def _keep_quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.obj.quiet = ctx.obj.quiet or value
