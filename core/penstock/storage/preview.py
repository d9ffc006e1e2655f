"""What a row says of a value without loading it: its type, the package that the type is from, and a short text.

Nothing here calls code of the user's: no `__repr__`, no property.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST = 80  # characters of a preview
_PLAIN = (int, float, bool, str, bytes, complex, type(None))
_LONGEST_INT_BITS = 256  # Python refuses to write very long ones
_SHAPED = ("numpy", "pandas", "torch")


def type_name(cls: type) -> str:
    """`numpy.ndarray`; types of Python itself without their module."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def package(cls: type) -> str | None:
    """The package of a type with its version, `numpy 2.1.0`; None for Python's own and for those that state none."""
    name = cls.__module__.partition(".")[0]
    if name in sys.stdlib_module_names:
        return None
    stated = version(name)
    return None if stated is None else f"{name} {stated}"


def version(module: str) -> str | None:
    """What a loaded package states as its version (asking installed metadata takes milliseconds)."""
    stated = getattr(sys.modules.get(module), "__dict__", {}).get("__version__")
    return stated if isinstance(stated, str) else None


def preview(value: Any) -> str | None:
    """A short text for lists of artifacts, at most `LONGEST` characters; None where there is nothing safe to say."""
    cls = type(value)
    if cls in _PLAIN:
        return _plain(value)
    if cls in (list, tuple, set, frozenset, dict):
        return _container(value)
    if cls.__module__.partition(".")[0] in _SHAPED:
        return _shaped(value)
    return None


def _plain(value: Any) -> str:
    cls = type(value)
    if cls is int and not _is_short(value):
        return f"int of {value.bit_length()} bits"
    if cls not in (str, bytes):
        return repr(value)
    text = repr(value[:LONGEST])
    return text if len(value) <= LONGEST and len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _is_short(value: Any) -> bool:
    if type(value) in (str, bytes):
        return len(value) < LONGEST
    return type(value) is not int or value.bit_length() <= _LONGEST_INT_BITS


def _container(value: Any) -> str:
    if len(value) <= LONGEST // 3:  # an item takes three characters at least: `1, `
        parts = [*value, *value.values()] if type(value) is dict else value
        if all(type(part) in _PLAIN and _is_short(part) for part in parts):
            text = repr(value)
            if len(text) <= LONGEST:
                return text
    return f"{type(value).__name__} of {len(value)}"


def _shaped(value: Any) -> str | None:
    """Of arrays and frames their shape and kind, of a single number itself."""
    try:
        kind = getattr(value, "dtype", None)
        shape = tuple(int(length) for length in value.shape)
        single = value.item() if not shape else None
        text = " x ".join(map(str, shape)) or "single"
        text = text if kind is None else f"{text} {kind}"
    except Exception:  # noqa: BLE001  a type of these packages without a shape, or one of theirs that is lazy
        return None
    return _plain(single) if type(single) in (int, float, bool, complex) else text[:LONGEST]
