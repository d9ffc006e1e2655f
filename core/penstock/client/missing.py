"""What `parent[name]` and `data.name` raise: errors of penstock that Python's own idioms catch too."""

from __future__ import annotations

from penstock.errors import NotFound
from penstock.nearest import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class MissingChild(NotFound, KeyError):
    """`run["strat"]`, `task["modell"]`: a KeyError that says what was meant."""

    def __str__(self) -> str:
        return self.message  # a KeyError would quote it


class MissingArtifact(NotFound, AttributeError):
    """`task.data.modell`: an AttributeError, so that `hasattr` and `getattr` with a default work."""


def missing_child(owner: object, name: object, known: Iterable[str]) -> MissingChild:
    """The error for a child that `owner` lacks."""
    return MissingChild(f"{owner} has no {name!r}", hint=hint(str(name), known))


def missing_artifact(owner: object, name: str, known: Iterable[str]) -> MissingArtifact:
    """The error for an artifact that `owner` lacks."""
    return MissingArtifact(f"{owner} has no artifact {name!r}", hint=hint(name, known))
