"""Pickle by value: lambdas, local classes and what else pickle can only name. Read back by the same Python alone."""

from __future__ import annotations

import io
import pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PROTOCOL = 5
_classes: dict[str, Any] = {}


def pickler(file: Any, buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None) -> pickle.Pickler:
    """A pickler that writes code itself where it has no importable name. The first call imports cloudpickle (20 ms)."""
    if "pickler" not in _classes:
        _classes["pickler"] = _pickler_class()
    made: pickle.Pickler = _classes["pickler"](file, PROTOCOL, buffer_callback=buffer_callback)
    return made


def dumps(value: Any) -> bytes:
    """A pickle in one piece."""
    file = io.BytesIO()
    pickler(file).dump(value)
    return file.getvalue()


def _pickler_class() -> Any:
    import cloudpickle

    class ByValue(cloudpickle.CloudPickler):  # type: ignore[misc]  # it has no types
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, io.TextIOWrapper):  # cloudpickle would read the file and keep its text instead
                raise TypeError(f"cannot pickle an open file, {value.name!r}")
            return super().reducer_override(value)

    return ByValue
