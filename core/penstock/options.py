"""What can be set: each option is declared once, by core or in the options class of a backend, and has typed values.

An option `image` of the backend `docker` is the flag `--docker-image`, the variable `PENSTOCK_DOCKER_IMAGE`, and
`image` below `[tool.penstock.docker]` in `pyproject.toml` (or `[docker]` in `penstock.toml`).
"""

from __future__ import annotations

import os

from penstock.errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from penstock.plugin import Backend


class Option:
    """One setting: of core (`owner` is empty) or of the backends named `owner`. type: as its author annotated it."""

    __slots__ = ("default", "help", "name", "nearest_folder", "owner", "required", "secret", "type")

    def __init__(
        self,
        owner: str,
        name: str,
        type: str,
        default: Any = None,
        help: str = "",
        *,
        required: bool = False,
        secret: bool = False,
        nearest_folder: bool = False,
    ) -> None:
        self.owner, self.name, self.type, self.default, self.help = owner, name, type, default, help
        self.required, self.secret, self.nearest_folder = required, secret, nearest_folder

    @property
    def key(self) -> str:
        """`docker.image`; of core `max_workers`."""
        return f"{self.owner}.{self.name}" if self.owner else self.name

    @property
    def flag(self) -> str:
        """`--docker-image`."""
        return "--" + _dashed(f"{self.owner}-{self.name}" if self.owner else self.name)

    @property
    def variable(self) -> str:
        """`PENSTOCK_DOCKER_IMAGE`."""
        return "PENSTOCK_" + _dashed(f"{self.owner}-{self.name}" if self.owner else self.name).replace("-", "_").upper()

    @property
    def base_type(self) -> str:
        """The type without `| None`."""
        return self.type.replace(" ", "").removesuffix("|None").removeprefix("None|")


CORE_OPTIONS = (
    Option("", "executor", "str", help="Where tasks run; `flow plugins` lists what there is."),
    Option("", "datastore", "str", help="Where data lies: a name, or a URL that begins with it."),
    Option("", "metadata", "str", help="The catalogue of runs; follows the datastore unless said."),
    Option("", "logging", "str", help="Where long output goes; follows the datastore unless said."),
    Option("", "cache_mb", "int", 10_000, "Size of this user's copies of a store far away; 0 keeps none."),
    Option("", "max_workers", "int | None", help="Jobs at once; the executor has a default."),
    Option("", "branch", "str | None", help="Branch of a flow with @project."),
    Option("", "production", "bool | None", help="Whether a flow with @project runs in production."),
    Option("", "package_suffixes", "tuple[str,...] | None", help="More endings of files for jobs elsewhere."),
    Option("", "verify", "bool", False, help="Check values that are mapped, too, when they are loaded."),
)


def options_of(backend: Backend) -> tuple[Option, ...]:
    """The options that a backend declares. Raises SettingsError for a type that can't be typed in a shell."""
    if backend.options is None:
        return ()
    from dataclasses import MISSING, fields

    found = []
    for one in fields(backend.options):
        kind = one.type if isinstance(one.type, str) else one.type.__name__ if type(one.type) is type else str(one.type)
        required = one.default is MISSING
        option = Option(
            backend.name,
            one.name,
            kind,
            None if required else one.default,
            one.metadata.get("help", ""),
            required=required,
            secret=one.metadata.get("secret", False),
            nearest_folder=one.metadata.get("nearest_folder", False),
        )
        if option.base_type not in _CONVERTERS:
            raise SettingsError(
                f"{backend.kind} {backend.name}: its option {one.name} has the type {kind}",
                hint=f"types of options are: {', '.join(_CONVERTERS)}, each perhaps `| None`",
            )
        found.append(option)
    return tuple(found)


def _dashed(text: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in text).strip("-").lower()


# ------------------------------------------------------------------------------------------------ values


def _text(value: Any, _: str) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _whole(value: Any, _: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError("a whole number")
    try:
        return int(value)
    except ValueError:
        raise ValueError("a whole number") from None


def _number(value: Any, _: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number")
    try:
        return float(value)
    except ValueError:
        raise ValueError("a number") from None


def _truth(value: Any, _: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError("true or false")


def _path(value: Any, folder: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a path")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(value)))


def _texts(value: Any, _: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, dict):  # a table of a project file, or what Python code has at hand
        value = [f"{name}={part}" for name, part in value.items()]
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("texts, separated by commas")


# Type as annotated -> (value as typed or read from TOML, folder that relative paths start from) -> value.
# Each raises ValueError with what it takes.
_CONVERTERS: dict[str, Callable[[Any, str], Any]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "bool": _truth,
    "Path": _path,
    "tuple[str,...]": _texts,
}


def convert(option: Option, raw: Any, folder: str) -> Any:
    """The value of what was typed or read. Raises ValueError with what it must be."""
    return _CONVERTERS[option.base_type](raw, folder)


def of_type(option: Option, value: Any) -> Any:
    """A value that Python code gave, as the option takes it; None only where nothing may be said.

    Raises ValueError with what it must be.
    """
    if value is None and option.base_type != option.type.replace(" ", ""):
        return None
    return convert(option, os.fspath(value) if option.base_type == "Path" else value, os.getcwd())


_EXAMPLES = {"int": "4", "float": "0.5", "bool": "true", "Path": "FOLDER", "tuple[str,...]": "a,b"}


def example_of(option: Option) -> str:
    """How one says it on the command line, with what it is for."""
    example = _EXAMPLES.get(option.base_type, "TEXT")
    return f"{option.flag}={example}   # {option.help}" if option.help else f"{option.flag}={example}"
