"""Pickle by value: lambdas, local classes and what else pickle can only name. Read back by the same Python alone."""

from __future__ import annotations

import collections
import io
import pickle
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PROTOCOL = 5
_classes: dict[str, Any] = {}


def pickler(file: Any, buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None) -> pickle.Pickler:
    """A pickler that writes code itself where it has no importable name. The first call imports cloudpickle (20 ms)."""
    made: pickle.Pickler = _class()(file, PROTOCOL, buffer_callback=buffer_callback)
    return made


def _class() -> Any:
    if "pickler" not in _classes:
        _classes["pickler"] = _pickler_class()
    return _classes["pickler"]


def dumps(value: Any) -> bytes:
    """A pickle in one piece."""
    file = io.BytesIO()
    pickler(file).dump(value)
    return file.getvalue()


def dumps_renamed(value: Any, rename: Callable[[str], str]) -> bytes:
    """A pickle in one piece whose code says that it comes from file `rename(file)`: frames of a traceback tell it."""
    table = _class().dispatch_table
    reduce = table[types.CodeType]
    own = {types.CodeType: lambda code: (_from_file, (rename(code.co_filename), *reduce(code)))}
    renaming = type("Renaming", (_class(),), {"dispatch_table": collections.ChainMap(own, table)})
    file = io.BytesIO()
    renaming(file, PROTOCOL).dump(value)
    return file.getvalue()


def _from_file(file: str, make: Callable[..., types.CodeType], arguments: tuple[Any, ...]) -> types.CodeType:
    """Code as it was: cloudpickle calls every file `<dynamic-code>`."""
    return make(*arguments).replace(co_filename=file)


def _pickler_class() -> Any:
    import cloudpickle

    class ByValue(cloudpickle.CloudPickler):  # type: ignore[misc]  # it has no types
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, io.TextIOWrapper):  # cloudpickle would read the file and keep its text instead
                raise TypeError(f"cannot pickle an open file, {value.name!r}")
            return super().reducer_override(value)

    return ByValue
