"""penstock: data-science flows, written once and run anywhere.

The public names are resolved on first use (PEP 562), so that `from penstock import FlowSpec, step` costs next to
nothing.
"""

from __future__ import annotations

import sys

from penstock.compat.finder import Finder

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar, overload

    from penstock.authoring.context import current
    from penstock.authoring.decorators import catch, environment, executor, parallel, resources, retry, step, timeout
    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.parameters import IncludeFile, JSONType, JSONTypeClass, Parameter
    from penstock.authoring.projects import project
    from penstock.client import (
        Client,
        DataArtifact,
        Flow,
        Metaflow,
        Run,
        Step,
        Task,
        default_metadata,
        get_metadata,
        metadata,
    )
    from penstock.client.namespace import default_namespace, get_namespace, namespace
    from penstock.compat.multicore import parallel_map
    from penstock.runner import Runner

    F = TypeVar("F", bound=Callable[..., Any])

    class PluginDecorator(Protocol):
        """What a type checker knows of names that plugins bring: they are step decorators."""

        @overload
        def __call__(self, function: F, /) -> F: ...
        @overload
        def __call__(self, **arguments: Any) -> Callable[[F], F]: ...


_HOMES = {
    "authoring.flow": ("FlowSpec",),
    "authoring.parameters": ("IncludeFile", "JSONType", "JSONTypeClass", "Parameter"),
    "authoring.decorators": ("catch", "environment", "executor", "parallel", "resources", "retry", "step", "timeout"),
    "authoring.context": ("current",),
    "authoring.projects": ("project",),
    "runner": ("Runner",),
    "compat.multicore": ("parallel_map",),
    "client": (
        "Client",
        "DataArtifact",
        "Flow",
        "Metaflow",
        "Run",
        "Step",
        "Task",
        "default_metadata",
        "default_namespace",
        "get_metadata",
        "get_namespace",
        "metadata",
        "namespace",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Client",
    "DataArtifact",
    "Flow",
    "FlowSpec",
    "IncludeFile",
    "JSONType",
    "JSONTypeClass",
    "Metaflow",
    "Parameter",
    "Run",
    "Runner",
    "Step",
    "Task",
    "catch",
    "current",
    "default_metadata",
    "default_namespace",
    "environment",
    "executor",
    "get_metadata",
    "get_namespace",
    "metadata",
    "namespace",
    "parallel",
    "parallel_map",
    "project",
    "resources",
    "retry",
    "step",
    "timeout",
]


sys.meta_path.append(Finder())


def __getattr__(name: str) -> PluginDecorator:
    module = _HOME_OF.get(name)
    if module is None:
        value = None if name.startswith("_") or name in _modules() else _from_elsewhere(name)
        if value is None:
            raise AttributeError(f"penstock has no {name!r}")
    else:
        import importlib

        value = getattr(importlib.import_module(f"penstock.{module}"), name)
    globals()[name] = value
    return value  # type: ignore[no-any-return]


_own: set[str] = set()


def _modules() -> set[str]:
    """Our own modules: `from penstock import keys` asks for the name before it imports the module."""
    if not _own:
        import os

        try:
            _own.update(name.partition(".")[0] for name in os.listdir(__path__[0]))
        except NotADirectoryError:  # in a zip
            import pkgutil

            _own.update(module.name for module in pkgutil.iter_modules(__path__))
    return _own


def _from_elsewhere(name: str) -> Any:
    """A step decorator of an executor; or what to do instead of a name of Metaflow's."""
    from penstock.authoring import executor_decorators
    from penstock.compat.absent import ABSENT
    from penstock.compat.finder import stands_in
    from penstock.compat.passed_over import PASSED_OVER, passed_over
    from penstock.errors import PluginError

    stand_in = passed_over if name in PASSED_OVER and stands_in() else None
    try:
        value = executor_decorators.named(name) or stand_in
    except (PluginError, ModuleNotFoundError):  # no such plugin here; a worker has none at all
        if stand_in is None:
            raise
        return stand_in
    if value is None and name in ABSENT:
        raise ImportError(f"penstock has no {name}: {ABSENT[name]}", name="penstock")
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
