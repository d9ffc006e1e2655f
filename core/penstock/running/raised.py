"""What the user's code raised, as data for a record and as text for people."""

from __future__ import annotations

import os
import sys

from penstock.errors import PenstockError
from penstock.values import CaughtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LIBRARY = os.path.dirname(os.__file__) + os.sep
_OUR_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # all of penstock


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as data: never raises, whatever the user's class does in its own methods."""
    import traceback

    cls = type(error)
    dotted = cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - a method of the user's class
        message = f"<{cls.__qualname__} whose str() raises {type(broken).__name__}>"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_OUR_FOLDER)]
    described: dict[str, Any] = {"type": dotted, "message": message}
    if frames:
        last = next((frame for frame in reversed(frames) if not _of_library(frame.filename)), frames[-1])
        described.update(file=last.filename, line=last.lineno, source=(last.line or "").strip())
    if isinstance(error, PenstockError):
        described.update({name: value for name, value in (("hint", error.hint), ("where", error.where)) if value})
    described["traceback"] = "".join(_traceback(error, frames, dotted, message))
    return described


def _of_library(file: str) -> bool:
    """Whether a frame is not the user's: the line to look at is the last one of theirs."""
    return file.startswith(("<frozen ", _LIBRARY)) or f"{os.sep}site-packages{os.sep}" in file


def _traceback(error: BaseException, frames: list[Any], dotted: str, message: str) -> list[str]:
    import traceback

    lines = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and not isinstance(error, PenstockError):
        link = "The above exception was the direct cause of" if error.__cause__ else "During its handling came"
        lines += [describe(cause)["traceback"], f"\n{link}:\n\n"]
    if frames:
        lines += ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    lines.append(f"{dotted}: {message}\n" if message else f"{dotted}\n")
    return lines


def print_error(error: BaseException, described: Mapping[str, Any]) -> None:
    """Tell the user in the task's own standard error; for an error of ours its message, not its frames."""
    text = str(described["traceback"])
    if isinstance(error, PenstockError):
        where = f"{error.where}: " if error.where else ""
        text = f"{where}{described['type'].rpartition('.')[2]}: {described['message']}\n"
        text += f"  {error.hint}\n" if error.hint else ""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # the user's code closed it; the record has the text


def caught_error(error: BaseException, step: str) -> CaughtError:
    """What `@catch` keeps of an exception."""
    described = describe(error)
    return CaughtError(described["type"], described["message"], step, described["traceback"])
