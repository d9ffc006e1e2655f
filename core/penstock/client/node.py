"""What Flow, Run, Step and Task share: a pathspec, children by name, tags, equality, pickling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

from penstock.client.client import Client
from penstock.client.default import default_client
from penstock.client.missing import MissingChild, missing_child
from penstock.errors import UsageError
from penstock.values import Pathspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, ClassVar, Self

    from penstock.client.history import History


class Node(ABC):
    """A flow, run, step or task as seen from outside. Iterating gives its children, `node[name]` one of them.

    client: the store to read; default: that of this process's settings.
    """

    _form: ClassVar[str]  # of its pathspec

    def __init__(
        self,
        pathspec: str,
        attempt: int | None = None,
        _namespace_check: bool = True,
        *,
        client: Client | None = None,
    ) -> None:
        self._spec = _parsed(pathspec, self._form)
        if attempt is not None:
            self._spec.attempt = attempt
        self._client = client if client is not None else default_client()
        self._check_namespace = _namespace_check
        self._find()

    @classmethod
    def _made(cls, parent: Node, spec: Pathspec, history: History | None = None) -> Self:
        """A child that is known to be there."""
        made = cls.__new__(cls)
        made._client, made._check_namespace, made._spec = parent._client, parent._check_namespace, spec
        made._history_of = history if history is not None else getattr(parent, "_history_of", None)
        return made

    _history_of: History | None = None

    @abstractmethod
    def _find(self) -> None:
        """Make sure that it is there. Raises NotFound, NamespaceMismatch."""

    @property
    def _history(self) -> History:
        if self._history_of is None:
            self._history_of = self._client.find_run(self._spec.flow, self._spec.run or "")
        return self._history_of

    def _find_run(self) -> None:
        """Look the run up, give the pathspec its full id, and see whether the namespace shows it."""
        spec = self._spec
        tag = self._client.namespace if self._check_namespace else None
        history = self._history_of = self._client.find_run(spec.flow, spec.run or "", tag)
        self._spec = Pathspec(spec.flow, history.run, spec.step, spec.place, spec.attempt)
        if tag is not None and not _has_tag(history, tag):
            raise self._client.hidden(f"{spec.flow}/{history.run} is not", tag)

    # -- names

    @property
    def pathspec(self) -> str:
        """Its name within the store: `Flow/run/step/task`, as far as it goes."""
        spec = self._spec
        return str(Pathspec(spec.flow, spec.run, spec.step, spec.place))

    @property
    def path_components(self) -> list[str]:
        """The parts of its pathspec."""
        return self.pathspec.split("/")

    @property
    def id(self) -> str:
        """The last part of its pathspec."""
        return self.path_components[-1]

    @property
    @abstractmethod
    def parent(self) -> Node | None:
        """What it belongs to."""

    # -- children

    @abstractmethod
    def _child_ids(self) -> Sequence[str]:
        """Names of its children, in the order of iteration."""

    @abstractmethod
    def _child(self, name: str) -> Any:
        """The child of this name, None where there is none."""

    def __iter__(self) -> Iterator[Any]:
        for name in self._child_ids():
            yield self._child(name)

    def __getitem__(self, name: str) -> Any:
        found = self._child(str(name))
        if found is None:
            raise self._missing(str(name))
        return found

    def _missing(self, name: str) -> MissingChild:
        """The error for a child that is not there."""
        return missing_child(self, name, self._child_ids())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._child_ids()

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._child_ids())

    # -- tags

    @property
    def user_tags(self) -> frozenset[str]:
        """Tags of the run that people set, as they are now."""
        return self._history.user_tags() - self.system_tags

    @property
    def system_tags(self) -> frozenset[str]:
        """Tags of the run that penstock set."""
        return self._history.system_tags()

    @property
    def tags(self) -> frozenset[str]:
        """All tags of the run."""
        return self._history.user_tags() | self.system_tags

    def is_in_namespace(self) -> bool:
        """Whether the namespace that holds now shows it."""
        tag = self._client.namespace
        return tag is None or _has_tag(self._history, tag)

    # -- as a value

    def _identity(self) -> tuple[object, ...]:
        return self._client.label, self._spec

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Node) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._spec))

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (type(self), self.pathspec, self._spec.attempt, self._client)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._spec)!r})"

    def __str__(self) -> str:
        return repr(self)


def _loaded(cls: type[Node], pathspec: str, attempt: int | None, client: Client) -> Node:
    """What was pickled once may be read again whatever the namespace says now; it is looked for when it is asked."""
    made = cls.__new__(cls)
    made._spec, made._client, made._check_namespace = Pathspec.parse(pathspec), client, False
    made._spec.attempt = attempt
    return made


def _has_tag(history: History, tag: str) -> bool:
    return tag in history.system_tags() or tag in history.user_tags()


def _parsed(pathspec: str, form: str) -> Pathspec:
    depth = form.count("/") + 1
    if not isinstance(pathspec, str):
        raise UsageError(f"text of the form {form} is wanted, not {pathspec!r}", hint="flow runs")
    try:
        spec = Pathspec.parse(pathspec)
    except ValueError as error:
        why = "" if repr(pathspec) in str(error) else f": {error}"
        raise UsageError(f"{pathspec!r} is not of the form {form}{why}", hint="flow runs") from error
    if len(spec.parts()) not in ((depth,) if depth < 4 else (4, 5)):
        raise UsageError(f"{pathspec!r} is not of the form {form}", hint="flow runs")
    return spec


def moment(unix_s: float | None) -> datetime | None:
    """A Unix time as local time, which is how Metaflow's client gives it."""
    return None if unix_s is None else datetime.fromtimestamp(unix_s)
