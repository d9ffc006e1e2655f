"""Why a value can't be pickled: the part of it that refuses, by its path (`self.model.lock`), and what to do."""

from __future__ import annotations

import pickle
import sys

from penstock.errors import NotStorable
from penstock.storage import by_value
from penstock.storage.preview import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_DEEPEST = 8  # steps from the artifact to the part that is named
_WIDEST = 1000  # parts of one container that are tried
_NAMED_KEYS = (int, str, bool, float, bytes, type(None))  # their repr is Python's own


def not_storable(name: str, value: Any, refusal: Exception) -> NotStorable:
    """The error for an artifact that pickle refused with `refusal`."""
    path = f"self.{name}" if name.isidentifier() else name
    if isinstance(refusal, RecursionError):
        return NotStorable(
            f"{path} can't be stored: it is nested too deeply to be pickled",
            hint="keep it flat: a dict of its nodes, which name one another by key",
        )
    inner, culprit = _culprit(path, value)
    return NotStorable(
        f"{inner} can't be stored: a value of type {type_name(type(culprit))} can't be pickled ({refusal})",
        hint="keep it in a local variable, or delete the attribute before self.next",
    )


def _culprit(path: str, value: Any, depth: int = 0) -> tuple[str, Any]:
    """The innermost part of a value that refuses to be pickled, and the way to it."""
    if depth < _DEEPEST:
        for step, part in _parts(value):
            if not _is_picklable(part):
                return _culprit(path + step, part, depth + 1)
    return path, value


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value consists of, as far as it can be named without running the user's code."""
    cls = type(value)
    if issubclass(cls, dict):
        for key, part in list(dict.items(value))[:_WIDEST]:
            yield f"[{key!r}]" if type(key) in _NAMED_KEYS else f"[a {type_name(type(key))}]", part
    elif issubclass(cls, (list, tuple)):
        yield from ((f"[{number}]", part) for number, part in enumerate(value[:_WIDEST]))
    elif cls is type(_parts):  # a function: what it took from around it
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield f", its variable {name},", cell.cell_contents
            except ValueError:  # never set
                continue
    elif not issubclass(cls, type) and cls.__module__.partition(".")[0] not in sys.stdlib_module_names:
        # What a file or a thread of Python's own is made of tells the user nothing.
        yield from ((f".{name}", part) for name, part in _attributes(value).items())


def _attributes(value: Any) -> dict[str, Any]:
    """Attributes as they lie in the object, those of `__slots__` too."""
    try:
        found = dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        found = {}
    for cls in type(value).__mro__:
        for name, member in vars(cls).items():
            if type(member) is _SLOT:
                try:
                    found[name] = member.__get__(value)
                except AttributeError:  # never set
                    continue
    return found


class _Slotted:
    __slots__ = ("member",)


_SLOT = type(vars(_Slotted)["member"])


class _Nowhere:
    """A file that keeps nothing: what refuses may lie beside a large array, which is not to be copied for a message."""

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def _by_name(file: Any, buffer_callback: Any) -> pickle.Pickler:
    return pickle.Pickler(file, by_value.PROTOCOL, buffer_callback=buffer_callback)


def _is_picklable(value: Any) -> bool:
    buffers: list[pickle.PickleBuffer] = []
    for begin in (_by_name, by_value.pickler):
        try:
            begin(_Nowhere(), buffers.append).dump(value)
            return True
        except Exception:  # noqa: BLE001  a user's `__reduce__` may raise anything
            continue
    return False
