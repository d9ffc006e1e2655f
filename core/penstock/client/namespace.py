"""The namespace of this process: a tag that a run must have to be found. It holds for the default client only.

What a step chooses ends with the step, also where many of them run in one process.
"""

from __future__ import annotations

from penstock.authoring.context import current
from penstock.storage.tag_text import tag_text
from penstock.user_name import user_name

_KEY = "_namespace"  # among the facts of a running step
_outside: dict[str, str | None] = {}


def _chosen() -> dict[str, str | None]:
    """Where a choice is kept."""
    return current._facts if current.is_running_flow else _outside


def namespace(tag: str | None) -> str | None:
    """Look only at runs with this tag; None looks at all. Returns the namespace that holds now."""
    found = None if tag is None else tag_text(tag)
    _chosen()[_KEY] = found
    return found


def get_namespace() -> str | None:
    """The namespace that holds now, None for all runs: what was chosen here, else when the flow file was imported, else
    the run's."""
    return _chosen().get(_KEY, _outside.get(_KEY, _own()))


def default_namespace() -> str | None:
    """Look at one's own runs again: `user:NAME`, in a step the run's namespace, which is returned."""
    if current.is_running_flow:
        current._facts[_KEY] = _own()
    else:
        _outside.clear()
    return _own()


def _own() -> str | None:
    """Inside a task that of its run: in a container the user has another name."""
    return current.namespace if current.is_running_flow else f"user:{user_name()}"
