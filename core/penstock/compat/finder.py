"""Metaflow's deep paths: `penstock.exception` and its like are no files, but answers of this finder.

    Finder ............ `penstock.PATH`, for the paths of `compat/paths.py`; stands last, so real modules win
    stand_in_for ...... from then on `metaflow` and `metaflow.PATH` are `penstock` and `penstock.PATH`: the same objects
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_OURS = "penstock"


class Finder:
    """Answers `import penstock.exception`; asked only for what is no module of penstock's."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """The import system's question; None for a path that is not in the table."""
        package, _, deep = name.partition(".")
        if package != _OURS:
            return None
        from penstock.compat.paths import PATHS

        return _spec(name, _DeepPath(PATHS[deep])) if deep in PATHS else None


def _spec(name: str, loader: Any) -> ModuleSpec:
    from importlib.machinery import ModuleSpec

    return ModuleSpec(name, loader, is_package=True)


class _DeepPath:
    """Makes a module whose names are looked up when somebody asks. names: name -> `module:attribute` of penstock, or
    why it is not there."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def create_module(self, _spec: ModuleSpec) -> None:
        """An ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill it with one function (PEP 562). A name that is not in the table is the package's own."""

        def get(name: str) -> Any:
            import importlib

            if name.startswith("__"):
                raise AttributeError(name)
            home, colon, attribute = self._names.get(name, "").partition(":")
            if home and not colon:
                raise ImportError(f"penstock has no {name}: {home}", name=module.__name__)
            target = importlib.import_module(f"{_OURS}.{home}" if home else _OURS)
            value = getattr(target, attribute or name)
            setattr(module, name, value)
            return value

        module.__getattr__ = get  # type: ignore[method-assign]


class _StandIn:
    """Answers `import metaflow...` by the module of penstock that has the same path. Stands first: an installed
    package of that name is never reached."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """The import system's question; None for everybody else's modules."""
        return _spec(name, self) if name.partition(".")[0] == self.alias else None

    def create_module(self, _spec: ModuleSpec) -> None:
        """One that nobody sees: the real one takes its place."""

    def exec_module(self, module: ModuleType) -> None:
        """The import system takes what stands in `sys.modules` afterwards. Raises ImportError for an unknown path."""
        import importlib

        name = module.__name__
        ours = _OURS + name.removeprefix(self.alias)
        try:
            sys.modules[name] = importlib.import_module(ours)
        except ModuleNotFoundError as error:
            if error.name is None or not ours.startswith(error.name):
                raise
            text = f"penstock has nothing in place of {name}; `flow check` says what it has"
            raise ImportError(text, name=name) from None


def stands_in() -> bool:
    """Whether imports of another package are answered in this process."""
    return any(isinstance(one, _StandIn) for one in sys.meta_path)


def stand_in_for(alias: str) -> None:
    """Answer imports of `alias` in this process from now on; what was imported of the real one is forgotten."""
    if any(isinstance(one, _StandIn) and one.alias == alias for one in sys.meta_path):
        return
    for name in list(sys.modules):
        if name.partition(".")[0] == alias:
            del sys.modules[name]
    sys.meta_path.insert(0, _StandIn(alias))
