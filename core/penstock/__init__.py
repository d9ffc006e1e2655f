"""penstock: data-science flows, written once and run anywhere.

The public names are resolved on first use (PEP 562), so that `from penstock import FlowSpec, step` costs next to
nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from penstock.client import DataArtifact, Flow, Metaflow, Run, Step, Task
    from penstock.client.namespace import default_namespace, get_namespace, namespace
    from penstock.context import current
    from penstock.decorators import catch, environment, executor, parallel, resources, retry, step, timeout
    from penstock.flow import FlowSpec
    from penstock.parameters import JSONType, Parameter

_HOMES = {
    "flow": ("FlowSpec",),
    "parameters": ("JSONType", "Parameter"),
    "decorators": ("catch", "environment", "executor", "parallel", "resources", "retry", "step", "timeout"),
    "context": ("current",),
    "client": (
        "DataArtifact",
        "Flow",
        "Metaflow",
        "Run",
        "Step",
        "Task",
        "default_namespace",
        "get_namespace",
        "namespace",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DataArtifact",
    "Flow",
    "FlowSpec",
    "JSONType",
    "Metaflow",
    "Parameter",
    "Run",
    "Step",
    "Task",
    "catch",
    "current",
    "default_namespace",
    "environment",
    "executor",
    "get_namespace",
    "namespace",
    "parallel",
    "resources",
    "retry",
    "step",
    "timeout",
]


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        from penstock.compat.absent import ABSENT

        if name in ABSENT:
            raise ImportError(f"penstock has no {name}: {ABSENT[name]}", name="penstock")
        raise AttributeError(f"penstock has no {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"penstock.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
