"""DataArtifact: a named value that a task left, described without reading it; and the two ways to reach several."""

from __future__ import annotations

from penstock.client.code import load
from penstock.client.missing import missing_artifact
from penstock.errors import NotReadable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from typing import Any

    from penstock.client.client import Client
    from penstock.client.task import Task


class DataArtifact:
    """An artifact: `Flow/run/step/task/name`. Raises NotFound. Only `.data` reads the value."""

    def __init__(
        self,
        pathspec: str,
        attempt: int | None = None,
        _namespace_check: bool = True,
        *,
        client: Client | None = None,
    ) -> None:
        from penstock.client.task import Task

        of_task, _, name = pathspec.rpartition("/")
        if of_task.count("/") != 3:
            raise UsageError(f"{pathspec!r} is not of the form Flow/run/step/task/artifact", hint="flow runs")
        found = Task(of_task, attempt, _namespace_check, client=client)[name]
        self.parent, self.id, self._row = found.parent, found.id, found._row

    @classmethod
    def _made(cls, task: Task, name: str, row: Mapping[str, Any]) -> DataArtifact:
        made = cls.__new__(cls)
        made.parent, made.id, made._row = task, name, row
        return made

    parent: Task  # the task that left it
    id: str  # its name
    _row: Mapping[str, Any]

    @property
    def data(self) -> Any:
        """The value, read now; large arrays are mapped where that can be.

        Raises ChunkDamaged, NotReadable (which says what is missing); NotReadable too from `Client(unpickle=False)`.
        """
        client = self.parent._client
        if not client.unpickle:
            raise NotReadable(
                f"{self.pathspec} is not read: this client was made with unpickle=False",
                hint="Client(...)   # without it, values are unpickled: trust whoever writes to the store",
            )
        return load(client, self.parent._record, self.id, self._row)

    @property
    def pathspec(self) -> str:
        """`Flow/run/step/task/name`."""
        return f"{self.parent.pathspec}/{self.id}"

    @property
    def path_components(self) -> list[str]:
        """The parts of its pathspec."""
        return self.pathspec.split("/")

    @property
    def type(self) -> str:
        """Dotted name of the value's class."""
        return str(self._row.get("type", ""))

    @property
    def size(self) -> int:
        """Bytes of the pickled value."""
        return int(self._row.get("size", 0))

    @property
    def sha(self) -> str:
        """sha256 over its content: equal values of one kind have equal hashes."""
        return str(self._row.get("hash", ""))

    @property
    def preview(self) -> str:
        """A short text that the writer made, empty where there is none. Nothing is unpickled for it."""
        return str(self._row.get("preview") or "")

    @property
    def created_at(self) -> datetime | None:
        """When its task began, in local time."""
        return self.parent.created_at

    @property
    def finished_at(self) -> datetime | None:
        """When its task ended, in local time."""
        return self.parent.finished_at

    @property
    def tags(self) -> frozenset[str]:
        """Tags of the run."""
        return self.parent.tags

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataArtifact) and (self.parent, self.id) == (other.parent, other.id)

    def __hash__(self) -> int:
        return hash((self.parent, self.id))

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (self.parent, self.id)

    def __repr__(self) -> str:
        return f"DataArtifact({self.pathspec!r})"

    def _repr_html_(self) -> str:
        from penstock.client.html import artifact_html

        return artifact_html(self)


def _loaded(task: Task, name: str) -> DataArtifact:
    return task[name]


class TaskArtifacts:
    """The artifacts of a task as objects. Iterating passes over names that begin with `_`."""

    def __init__(self, task: Task, rows: Mapping[str, Any]) -> None:
        self._task, self._rows = task, rows

    def __getattr__(self, name: str) -> DataArtifact:
        return DataArtifact._made(self._task, name, _row_of(self, name))

    def __iter__(self) -> Iterator[DataArtifact]:
        return (DataArtifact._made(self._task, name, self._rows[name]) for name in self._names())

    def _names(self) -> list[str]:
        return sorted(name for name in self._rows if not name.startswith("_"))

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __dir__(self) -> list[str]:
        return sorted(self._rows)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._task == other._task

    def __hash__(self) -> int:
        return hash(self._task)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._task.pathspec}: {', '.join(self._names())}>"

    def _repr_html_(self) -> str:
        from penstock.client.html import artifacts_html

        return artifacts_html(list(self))


class TaskData:
    """The artifacts of a task as values, each read when its attribute is asked for."""

    def __init__(self, task: Task, rows: Mapping[str, Any]) -> None:
        self._task, self._rows = task, rows

    def __getattr__(self, name: str) -> Any:
        return DataArtifact._made(self._task, name, _row_of(self, name)).data

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __dir__(self) -> list[str]:
        return sorted(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskData) and self._task == other._task

    def __hash__(self) -> int:
        return hash(self._task)

    def __repr__(self) -> str:
        return f"<TaskData of {self._task.pathspec}: {', '.join(sorted(self._rows))}>"

    def _repr_html_(self) -> str:
        return self._task.artifacts._repr_html_()


def _row_of(owner: TaskArtifacts | TaskData, name: str) -> Mapping[str, Any]:
    """The row of an artifact that was asked for as an attribute. Raises AttributeError, with the nearest name."""
    if name.startswith("__") or name in ("_task", "_rows"):  # Python itself asks, of an object that is half made
        raise AttributeError(name)
    row: Mapping[str, Any] | None = owner._rows.get(name)
    if row is None:
        raise missing_artifact(owner._task, name, sorted(owner._rows))
    return row
