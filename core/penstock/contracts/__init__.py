"""The four contracts of a backend, the host that local executors drive, and `open`, by which a worker reaches a store.

`reach.py` says who can meet whom, `finding.py` what a backend tells `flow doctor`. Everything here may be
imported by plugins.
"""

from __future__ import annotations

from penstock.errors import PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def load(target: str) -> Any:
    """Import `package.module:Class` or `path/to/file.py:Class`. Raises PluginError when it is not there."""
    import importlib

    module, _, name = target.rpartition(":")
    try:
        return getattr(_module_of_file(module) if module.endswith(".py") else importlib.import_module(module), name)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise PluginError(
            f"{target} can't be imported: {error}", hint="flow plugins   # which plugins are installed, and their state"
        ) from error


def _module_of_file(path: str) -> Any:
    """The module of a file that belongs to no package, imported once: for an author's first hour."""
    import importlib.util
    import os
    import sys

    stem = os.path.splitext(os.path.basename(path))[0]
    known = sys.modules.get(stem)
    if known is not None and os.path.abspath(getattr(known, "__file__", None) or "") == os.path.abspath(path):
        return known
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    spec.loader.exec_module(module)
    return module


def open(target: str, options: Mapping[str, Any], *args: Any) -> Any:
    """Make the backend `target` with `options`, by import alone: no discovery, so that it works in any worker.

    args: what the contract's constructor takes before its options (a metadata store and a log sink: the datastore).
    Raises PluginError when the class is missing or refuses an option.
    """
    cls = load(target)
    try:
        return cls(*args, **options)
    except TypeError as error:
        raise PluginError(f"{target} does not take these options ({error})") from error
