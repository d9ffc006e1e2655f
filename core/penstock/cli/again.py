"""What is advised to be typed next, with the options that make it mean the same stores, flow and run.

`flow resume pets.py --origin-run-id=R` finds its run only if it looks into the store that this command was given. So
each command in a hint gets the options that this one had and the next one needs, as far as settings, environment and
project file do not say the same anyway.
"""

from __future__ import annotations

import re
import shlex

import click

from penstock.errors import PenstockError
from penstock.options import CORE_OPTIONS, options_of
from penstock.settings import BACKEND_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from typing import Any

    from penstock.cli.session import Session
    from penstock.options import Option
    from penstock.settings import Settings

_WORD = r"""(?:'[^']*'|"[^"]*"|[^\s'"`;])+"""
_COMMAND = re.compile(rf"(?:flow|python (?:-m penstock|{_WORD})) (?P<name>[a-z]+)\b(?: {_WORD})*")

_STORES = ("datastore", "metadata", "logging")
# What a command needs to be told again: kinds of backend with their options; None for every setting there is.
_NEEDS: dict[str, tuple[str, ...] | None] = {
    "run": None, "resume": None, "doctor": BACKEND_KINDS, "config": BACKEND_KINDS, "continue": _STORES,
    "cancel": _STORES, "show": _STORES, "runs": _STORES, "logs": _STORES, "dump": _STORES, "tag": _STORES,
}  # fmt: skip
_RUNNING = ("run", "resume")
# Options of a run that are no settings, and that say how it is run; not those that name or tag this very one.
_OF_A_RUN = ("alias", "added", "executor_for", "on_failure", "max_num_splits", "namespace", "detach", "debug")


def again(session: Session, text: str) -> str:
    """`text` with options in each of its commands, where they can be known; one that it already names stays."""
    try:
        return _COMMAND.sub(lambda found: _completed(session, found[0], found["name"]), text)
    except (PenstockError, OSError):  # settings that can't be resolved, a folder that is gone: what the text is about
        return text


def _completed(session: Session, command: str, name: str) -> str:
    if name not in _NEEDS or "--help" in command:
        return command
    words = [*_run_words(session, name), *_setting_words(session, name)] if session.open else []
    said = {word.partition("=")[0] for word in command.split()}
    return " ".join([command, *(_quoted(word) for word in words if word.partition("=")[0] not in said)])


def _quoted(word: str) -> str:
    flag, equals, text = word.partition("=")
    return f"{flag}={shlex.quote(text)}" if equals else flag


def _run_words(session: Session, name: str) -> Iterator[str]:
    """Parameters, where the run begins anew, and what was asked of this one."""
    if name not in _RUNNING or session.typed is None:
        return
    ctx, words = session.typed
    if name == "run":
        yield from (f"--{key}={text}" for key, text in ctx.meta.get("penstock.parameters", {}).items())
    parser = ctx.command.make_parser(ctx)
    parser.ignore_unknown_options = True
    try:
        values, _, order = parser.parse_args(list(words))
    except click.UsageError:
        return
    for one in dict.fromkeys(order):
        if isinstance(one, click.Option) and one.name in _OF_A_RUN:
            value = values[one.name]
            flag = next(spelt for spelt in one.opts if spelt.startswith("--"))
            every = value if one.multiple else [value]
            yield from [flag] if one.is_flag else [f"{flag}={text}" for text in every]


def _setting_words(session: Session, name: str) -> Iterator[str]:
    """Settings that hold here and would not hold there."""
    here, bare = session.settings_and_bare(of_the_flow=name in _RUNNING)
    if session.profile is not None:
        yield f"--profile={session.profile}"
    skipped = ("executor",) if session.typed is not None and session.typed[0].params.get("debug") else ()
    for option in _options(session, here, _NEEDS[name], skipped):
        value = here.value(option)
        if value is not None and not option.secret and _value(here, option) != _value(bare, option):
            yield _spelt(option, value, session.flags.get(option.key))


def _options(
    session: Session, here: Settings, kinds: tuple[str, ...] | None, skipped: Container[str]
) -> Iterator[Option]:
    """Each option once: core's, those of the chosen backends, and of others that steps name."""
    core = [o for o in CORE_OPTIONS if o.name not in skipped and (kinds is None or o.name in kinds)]
    backends = [here.declarations.choose(kind, getattr(here, kind)) for kind in kinds or BACKEND_KINDS]
    if kinds is None:
        owners = {key.partition(".")[0] for key in session.flags if "." in key}
        backends += [one for one in session.registry.backends("executor") if one.name in owners]
    found = {option.key: option for option in core}
    found |= {option.key: option for backend in backends for option in options_of(backend)}
    yield from found.values()


def _value(settings: Settings, option: Option) -> Any:
    try:
        value = settings.value(option)
        return getattr(settings, option.key) if value is None and option.key in BACKEND_KINDS else value
    except PenstockError:  # it must be given
        return None


def _spelt(option: Option, value: Any, typed: str | None) -> str:
    if option.base_type == "bool":
        return option.flag if value else f"--no-{option.flag[2:]}"
    if typed is None:
        typed = ",".join(value) if isinstance(value, tuple) else str(value)
    return f"{option.flag}={typed}"
