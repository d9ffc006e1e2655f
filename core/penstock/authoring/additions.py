"""Decorators that are added to every step from outside: `--with retry:times=2`, or a variable of the environment.

A step that has a decorator of the same name keeps its own.
"""

from __future__ import annotations

import re

from penstock.authoring import executor_decorators
from penstock.authoring.decorators import StepDecorator
from penstock.compat.variables import translated
from penstock.errors import FlowError, PluginError, UsageError
from penstock.nearest import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from penstock.authoring.flow import FlowSpec

VARIABLE = "PENSTOCK_WITH"  # specifications, separated by blanks


def add(flow_class: type[FlowSpec], typed: Iterable[str], environ: Mapping[str, str]) -> None:
    """Give every step of an imported flow what was typed, and what the environment says. Raises UsageError.

    The class remembers it and not the functions of its steps: those may be shared with other flows.
    """
    found = [decorator(text, f"--with {text}") for text in typed]
    found += [decorator(text, VARIABLE) for text in translated(environ).get(VARIABLE, "").split()]
    first: dict[str, StepDecorator] = {}
    for one in found:
        first.setdefault(one.name, one)
    flow_class._added_decorators = tuple(first.values())


def decorator(text: str, where: str) -> StepDecorator:
    """The decorator of `NAME` or `NAME:key=value,key=value`; values are JSON where they can be, else text.

    Raises UsageError that names `where` and offers the nearest name.
    """
    name, _, rest = text.strip().partition(":")
    kind = _named(name, where)
    arguments: dict[str, Any] = {}
    for pair in re.split(r",(?=\s*\w+\s*=)", rest) if rest else ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not of the form key=value", where=where, hint=f"--with {name}:key=value")
        arguments[key.strip()] = _value(value)
    try:
        made: StepDecorator = kind(**arguments)
    except FlowError as error:
        raise UsageError(error.message, where=where, hint=error.hint) from None
    except TypeError:
        raise UsageError(f"@{name} can't be added to every step", where=where, hint="flow run --help") from None
    return made


def _named(name: str, where: str) -> Any:
    """The decorator that `from penstock import NAME` gives."""
    import penstock

    try:
        found = getattr(penstock, name, None) if name else None
    except PluginError as error:
        error.where = where
        raise
    except ImportError as error:
        raise UsageError(str(error), where=where, hint="flow run --help") from None
    if isinstance(found, type) and issubclass(found, StepDecorator):
        return found
    own = [one.name for one in StepDecorator.__subclasses__() if one.name not in ("", "executor", "parallel")]
    known = sorted({*own, *executor_decorators.known()})
    raise UsageError(f"there is no decorator {name!r} for steps", where=where, hint=hint(name, known))


def _value(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text
