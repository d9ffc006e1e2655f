"""Random generators: one that the flow file seeded has that state in every attempt, others are seeded anew in each.

Without this all forks of a host would draw the same "random" numbers.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

_WATCHED = ("random", "numpy.random")


class SeedWatch:
    """Notes, while the flow file is imported, which generators it seeds with a value of its own."""

    def __init__(self) -> None:
        self.seeded: set[str] = set()
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> SeedWatch:
        for name in _WATCHED:
            if name in sys.modules:
                self._watch(sys.modules[name])
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)
        for undo in self._undo:
            undo()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """Watch a generator's module as soon as it is imported; every other module is none of our business."""
        if name not in _WATCHED:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                loader = spec.loader
                if loader is not None and hasattr(loader, "exec_module"):
                    spec.loader = _WatchingLoader(loader, self._watch)  # type: ignore[assignment]
                return spec
        return None

    def _watch(self, module: ModuleType) -> None:
        original = module.seed

        def seed(*args: Any, **kwargs: Any) -> Any:
            if any(value is not None for value in (*args, *kwargs.values())):
                self.seeded.add(module.__name__)
            else:
                self.seeded.discard(module.__name__)
            return original(*args, **kwargs)

        module.seed = seed  # type: ignore[attr-defined]
        self._undo.append(lambda: setattr(module, "seed", original))


class _WatchingLoader:
    def __init__(self, loader: Any, watch: Callable[[ModuleType], None]) -> None:
        self._loader, self._watch = loader, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._watch(module)


def reseed(seeded: set[str]) -> None:
    """In a new attempt: give every generator that the flow file did not seed a state of its own."""
    for name in _WATCHED:
        module = sys.modules.get(name)
        if module is not None and name not in seeded:
            module.seed()
