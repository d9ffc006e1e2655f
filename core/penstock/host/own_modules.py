"""The files of a flow's own folder that make up its code: those that it has imported, and those that its steps will."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*([^#\n]*)|import[ \t]+([\w., \t]+))", re.MULTILINE
)
_NAME = re.compile(rb"\w+")


def imported(folder: str) -> list[str]:
    """Files of imported modules that lie below `folder`, installed packages excluded."""
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.startswith(folder + os.sep):
            continue
        inside = file[len(folder) + 1 :].split(os.sep)
        if "site-packages" not in inside and not any(part.startswith(".") for part in inside):
            found.append(file)
    return sorted(set(found))


def imported_later(folder: str, files: Iterable[str]) -> list[str]:
    """Files below `folder` that `files` name in an import and that nobody has imported yet, theirs too.

    That is an import inside of a step. One whose name is made while it runs can't be seen.
    """
    known = set(files)
    found = []
    waiting = list(known)
    while waiting:
        path = waiting.pop()
        for stem in _stems(path, folder):
            for file in (f"{stem}.py", os.path.join(stem, "__init__.py")):
                if file not in known and os.path.isfile(file):
                    known.add(file)
                    found.append(file)
                    waiting.append(file)
    return sorted(found)


def _stems(path: str, folder: str) -> Iterator[str]:
    """Where the modules would stand that a file imports, without `.py`; their packages too."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return
    for package, names, modules in _IMPORT.findall(text):
        if package:
            dots = len(package) - len(package.lstrip(b"."))
            above = path
            for _ in range(dots):
                above = os.path.dirname(above)
            yield from _chain(above if dots else folder, package.strip(b"."), folder)
            inside = os.path.join(above if dots else folder, *os.fsdecode(package.strip(b".")).split("."))
            yield from (os.path.join(inside, os.fsdecode(name)) for name in _NAME.findall(names))
        for module in modules.split(b","):
            yield from _chain(folder, module.strip().partition(b" ")[0], folder)


def _chain(at: str, dotted: bytes, folder: str) -> Iterator[str]:
    """A package, what is inside of it, and so on to the last name."""
    for name in filter(None, os.fsdecode(dotted).split(".")):
        at = os.path.join(at, name)
        if at.startswith(folder + os.sep):
            yield at
