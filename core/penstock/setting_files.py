"""The files that settings come from, `penstock.toml` or a table of `pyproject.toml`: where they stand, and what is
wrong in one."""

from __future__ import annotations

import os
import sys

from penstock.errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PROJECT_FILE, PROJECT_TABLE_FILE = "penstock.toml", "pyproject.toml"


def project_file(folder: str) -> tuple[str, dict[str, Any]] | None:
    """The nearest `penstock.toml`, or `pyproject.toml` with a table `tool.penstock`, in `folder` or above it.

    Returns its path and the table. Raises SettingsError for a file that is no TOML.
    """
    at = os.path.abspath(folder)
    while True:
        found = _table_in(at)
        if found is not None:
            return found
        above = os.path.dirname(at)
        if above == at:
            return None
        at = above


def _table_in(folder: str) -> tuple[str, dict[str, Any]] | None:
    path = os.path.join(folder, PROJECT_FILE)
    table = read_toml(path)
    if table is not None:
        return path, table
    path = os.path.join(folder, PROJECT_TABLE_FILE)
    table = ((read_toml(path, only_with=b"tool.penstock") or {}).get("tool") or {}).get("penstock")
    return None if table is None else (path, table)


def user_file(environ: Mapping[str, str]) -> str:
    """The user's own file. Source: XDG base directories; on macOS the folder of application support."""
    if environ.get("XDG_CONFIG_HOME"):
        return os.path.join(environ["XDG_CONFIG_HOME"], "penstock", PROJECT_FILE)
    home = environ.get("HOME") or os.path.expanduser("~")
    below = ("Library", "Application Support") if sys.platform == "darwin" else (".config",)
    return os.path.join(home, *below, "penstock", PROJECT_FILE)


def read_toml(path: str, *, only_with: bytes = b"") -> dict[str, Any] | None:
    """A TOML file as a dict; None where there is none, or none that holds `only_with`. Raises SettingsError."""
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError:
        return None
    if only_with not in raw:
        return None
    import tomllib

    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path} is no UTF-8", where=f"{path}:{line}", hint="save it as UTF-8") from error
    except ValueError as error:
        where, mended = _broken_line(path, str(error), raw.decode("utf-8").splitlines())
        raise SettingsError(f"{path} is no TOML: {error}", where=where, hint=mended) from error


def _broken_line(path: str, error: str, lines: list[str]) -> tuple[str, str]:
    """Where a TOML file is broken, and the line that was probably meant."""
    import json
    import re

    told = re.search(r"line (\d+)", error)  # tomllib says it, except where the file ends too early
    number = min(int(told[1]) if told else len(lines), len(lines))
    line = lines[number - 1].strip() if lines else ""
    said = re.match(r"""([\w."-]+)\s*[=:]\s*([^"'\[{#\s][^"'#]*?)\s*(?:#.*)?\Z""", line)
    if said is None:
        return f"{path}:{number}", f'name = "text"   # or name = 4, in place of {line!r}'
    key, value = said.groups()
    plain = value in ("true", "false") or value.replace(".", "", 1).lstrip("+-").isdigit()
    return f"{path}:{number}", f"{key} = {value if plain else json.dumps(value)}   # in place of {line!r}"


def user_table(environ: Mapping[str, str]) -> tuple[str, dict[str, Any]] | None:
    """The user's own file and its table, None where there is none. Raises SettingsError."""
    path = user_file(environ)
    table = read_toml(path)
    return None if table is None else (path, table)
