"""Decorators of Metaflow's that are passed over in a file that runs as it stands (`--metaflow`): they say where a flow
is installed, scheduled or reported, and nothing of what it computes. `flow run` says so, once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INSTALLED = "install what the flow needs into the environment that runs it"
_PLACED = "choose where the run executes: --executor=..."
PASSED_OVER = {
    "batch": _PLACED,
    "card": "no report is made: look at artifacts by `flow show RUN/STEP/TASK`",
    "conda": _INSTALLED,
    "conda_base": _INSTALLED,
    "kubernetes": _PLACED,
    "pypi": _INSTALLED,
    "pypi_base": _INSTALLED,
    "schedule": "start `flow run` by whatever starts things where you work",
}


def passed_over(*given: Any, **_: Any) -> Any:
    """As a decorator with or without arguments, above a step or a class: gives back what stands below it."""
    if len(given) == 1 and callable(given[0]):
        return given[0]
    return lambda decorated: decorated
