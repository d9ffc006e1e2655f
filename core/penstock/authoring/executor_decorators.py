"""Step decorators that executors bring: an executor `docker` whose backend says `decorator="docker"` gives users

    from penstock import docker

    @docker(image="python:3.12-slim", memory=4096)       # @executor("docker", image=...) and @resources(memory=...)
    @step

Made from the executor's options, so they are declared once. A worker has no plugin and needs none: there the names that
the flow asked for are known beforehand (`make_inert`), and their decorators do nothing.
"""

from __future__ import annotations

from penstock.authoring.decorators import NEEDS, StepDecorator, check_needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from penstock.plugin import Backend

_asked: dict[str, type[StepDecorator]] = {}  # name -> decorator, as far as this process has asked for them
_inert: set[str] = set()


class ExecutorDecorator(StepDecorator):
    """Names the executor of a step; arguments are options of the executor, and what `@resources` takes."""

    executor = ""
    options: tuple[str, ...] = ()

    def __init__(self, function: Any = None, /, **arguments: Any) -> None:
        self.given = arguments
        super().__init__(function, **arguments)

    def check(self) -> None:
        """Needs are numbers; options are checked where settings are, against their types."""
        check_needs(self, [word for word in NEEDS if word not in self.options])

    def data(self) -> dict[str, Any]:
        """As `@executor` says it, with the needs beside it; only what was said: other layers know the rest."""
        given = {word: self.arguments[word] for word in self.given}
        options = {word: value for word, value in given.items() if word in self.options}
        needs = {word: value for word, value in given.items() if word not in self.options}
        return {"name": "executor", "executor": self.executor, "options": options, "needs": needs}


class _Inert(StepDecorator):
    """In a worker: whatever was said, the scheduler has heeded it."""

    def __init__(self, function: Any = None, /, **arguments: Any) -> None:
        self.where, self.arguments = "", arguments


def make_inert(names: Iterable[str]) -> None:
    """In a worker: these names are decorators without effect, whether their plugins are there or not."""
    _inert.update(names)


def asked() -> list[str]:
    """Names that the code of this process has imported."""
    return sorted(_asked)


def known() -> list[str]:
    """Names that installed executors bring."""
    from penstock.registry import Registry

    return Registry().decorators()


def named(name: str) -> type[StepDecorator] | None:
    """The decorator of this name, None where no executor brings it. Raises PluginError: not installed, or broken."""
    if name not in _asked:
        if name in _inert:
            made: type[StepDecorator] = type(name, (_Inert,), {"name": name})
        else:
            from penstock.registry import Registry

            backend = Registry().decorated(name)
            if backend is None:
                return None
            made = decorator_of(backend)
        _asked[name] = made
    return _asked[name]


def decorator_of(backend: Backend) -> type[StepDecorator]:
    """The step decorator of an executor."""
    from penstock.options import options_of

    options = {option.name: option.default for option in options_of(backend)}
    return type(
        backend.decorator,
        (ExecutorDecorator,),
        {
            "__doc__": f"{backend.summary} Arguments: {', '.join([*options, *NEEDS])}.",
            "name": backend.decorator,
            "executor": backend.name,
            "options": tuple(options),
            "defaults": {**dict.fromkeys(NEEDS), **options},
        },
    )
