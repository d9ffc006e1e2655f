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
LONGEST_CHAIN = 100  # exceptions, each the cause of the next one
_copied: list[tuple[str, str]] = []  # folder of this process's code, folder that it is a copy of; each ends in `/`


class Interrupted(KeyboardInterrupt):
    """Raised into a step that runs in its driver's own process, when the run shall stop: no fault of the step's."""


def tell_as(folder: str, original: str) -> None:
    """From here on a file below `folder` is told as the user's own, below `original`: where a job unpacked the code of
    its run is nobody's to know."""
    _copied[:] = [(os.path.join(folder, ""), os.path.join(original, ""))]


def _own(text: str) -> str:
    """A path, or a text with paths, as the user knows them."""
    for folder, original in _copied:
        text = text.replace(folder, original)
    return text


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as data: never raises, whatever the user's class does in its own methods."""
    described, text = _alone(error)
    texts, told = [text], {id(error)}
    while (found := _behind(error)) is not None and id(found[0]) not in told and len(told) < LONGEST_CHAIN:
        error, how = found
        told.add(id(error))
        texts += [f"\n{how}:\n\n", _alone(error)[1]]
    described["traceback"] = "".join(reversed(texts))
    return described


def _behind(error: BaseException) -> tuple[BaseException, str] | None:
    """What an exception came of, and how; None where that is nobody's to know."""
    if isinstance(error, PenstockError):
        return None
    if error.__cause__ is not None:
        return error.__cause__, "The above exception was the direct cause of"
    if error.__context__ is not None and not error.__suppress_context__:
        return error.__context__, "During its handling came"
    return None


def _alone(error: BaseException) -> tuple[dict[str, Any], str]:
    """One exception without what is behind it: as data, and its traceback."""
    import traceback

    cls = type(error)
    dotted = cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - a method of the user's class
        message = f"<{cls.__qualname__} whose str() raises {type(broken).__name__}>"
    if isinstance(error, PenstockError | ImportError | SyntaxError):  # a path in it is one of code
        message = _own(message)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_OUR_FOLDER)]
    for frame in frames:
        frame.line  # noqa: B018 - read where it stands, before it is told where it came from
        frame.filename = _own(frame.filename)
    described: dict[str, Any] = {"type": dotted, "message": message}
    if frames:
        last = next((frame for frame in reversed(frames) if not _of_library(frame.filename)), frames[-1])
        described.update(file=last.filename, line=last.lineno, source=(last.line or "").strip())
    if isinstance(error, PenstockError):
        told = (("hint", _own(error.hint)), ("where", _own(error.where)))
        described.update({name: value for name, value in told if value})
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    return described, "".join([*lines, f"{dotted}: {message}\n" if message else f"{dotted}\n"])


def _of_library(file: str) -> bool:
    """Whether a frame is not the user's: the line to look at is the last one of theirs."""
    return file.startswith(("<frozen ", _LIBRARY)) or f"{os.sep}site-packages{os.sep}" in file


def text_of(error: BaseException, described: Mapping[str, Any]) -> str:
    """What the user reads of it: the traceback; for an error of ours its message, not its frames."""
    if not isinstance(error, PenstockError):
        return str(described["traceback"])
    where = f"{described['where']}: " if error.where else ""
    text = f"{where}{described['type'].rpartition('.')[2]}: {described['message']}\n"
    return text + (f"  {described['hint']}\n" if error.hint else "")


def print_error(error: BaseException, described: Mapping[str, Any]) -> None:
    """Tell the user in the task's own standard error."""
    try:
        sys.stderr.write(text_of(error, described))
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # the user's code closed it; the record has the text


def caught_error(error: BaseException, step: str) -> CaughtError:
    """What `@catch` keeps of an exception."""
    described = describe(error)
    return CaughtError(described["type"], described["message"], step, described["traceback"])
