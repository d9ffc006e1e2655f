"""The namespace of this process: a tag that a run must have to be found. It holds for the default client only."""

from __future__ import annotations

from penstock.authoring.context import current
from penstock.storage.tag_text import tag_text
from penstock.user_name import user_name

_chosen: str | None = None
_is_chosen = False


def namespace(tag: str | None) -> str | None:
    """Look only at runs with this tag; None looks at all. Returns the namespace that holds now."""
    global _chosen, _is_chosen
    _chosen, _is_chosen = None if tag is None else tag_text(tag), True
    return _chosen


def get_namespace() -> str | None:
    """The namespace that holds now, None for all runs. In a step it is the run's until the step chooses another."""
    return _chosen if _is_chosen else _own()


def default_namespace() -> str | None:
    """Look at one's own runs again: `user:NAME`, which is returned."""
    global _is_chosen  # noqa: PLW0603 - a notebook has one namespace
    _is_chosen = False
    return _own()


def _own() -> str | None:
    """Inside a task that of its run: in a container the user has another name."""
    return current.namespace if current.is_running_flow else f"user:{user_name()}"
