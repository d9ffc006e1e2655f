"""Task: one instance of a step in a run, with its attempts, artifacts and output."""

from __future__ import annotations

import contextlib

from penstock.client.artifact import DataArtifact, TaskArtifacts, TaskData
from penstock.client.code import code_of
from penstock.client.facts import Metadatum, facts_of
from penstock.client.missing import missing_item, missing_task
from penstock.client.node import Node, moment
from penstock.client.output import output_of, output_size
from penstock.contracts.logsink import STDERR, STDOUT
from penstock.errors import NotFound, UsageError
from penstock.nearest import hint
from penstock.storage import keys, records
from penstock.values import PARAMETERS_STEP, SUCCEEDED, CaughtError, Pathspec, place_index
from penstock.view import is_taken, shown, task_state, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from penstock.client.code import RunCode
    from penstock.client.history import History
    from penstock.client.step import Step
    from penstock.values import Record


class Task(Node):
    """A task: `Flow/run/step/task`. Raises NotFound, NamespaceMismatch.

    attempt: look at this one (also as a fifth part of the pathspec); default: the one that succeeded, else the newest.
    Iterating gives its artifacts; names that begin with `_` are passed over, `task["_x"]` works.
    """

    _form = "Flow/run/step/task"

    def _find(self) -> None:
        self._find_run()
        spec, history = self._spec, self._history
        step, place = spec.step or "", spec.place or ""
        if not history.exists(step, place):
            raise missing_task(history, step, place)
        if spec.attempt is not None and self._record is None:
            numbers = [str(record.attempt) for record in self._attempts]
            raise NotFound(f"{self.pathspec} has no attempt {spec.attempt}", hint=hint(str(spec.attempt), numbers))

    @property
    def parent(self) -> Step:
        """The step."""
        from penstock.client.step import Step

        return Step._made(self, Pathspec(self._spec.flow, self._spec.run, self._spec.step))

    @property
    def _name(self) -> tuple[str, str]:
        return self._spec.step or "", self._spec.place or ""

    @property
    def _attempts(self) -> Sequence[Record]:
        return self._history.attempts(*self._name)

    @property
    def _record(self) -> Record | None:
        if self._spec.attempt is None:
            return shown(self._attempts)
        return next((record for record in self._attempts if record.attempt == self._spec.attempt), None)

    # -- what became of it

    @property
    def status(self) -> str:
        """`succeeded`, `running` (or waiting to), `failed`, `lost` or `cancelled`."""
        record = self._record
        if record is not None and (record.outcome == SUCCEEDED or self._spec.attempt is not None):
            return record.outcome
        return task_state(self._history.graph, self._name[0], self._attempts, self._history.status())

    @property
    def successful(self) -> bool:
        """Whether it succeeded; so it did where `@catch` handled its exception."""
        record = self._record
        return record is not None and record.outcome == SUCCEEDED

    @property
    def finished(self) -> bool:
        """Whether its attempt ended, well or not."""
        return self._record is not None

    @property
    def created_at(self) -> datetime | None:
        """When its first attempt began, in local time; None while none has a record."""
        return moment(next((record.started_s for record in self._attempts), None))

    @property
    def finished_at(self) -> datetime | None:
        """When the attempt ended, in local time; None while it has not."""
        record = self._record
        return None if record is None else moment(record.ended_s)

    @property
    def current_attempt(self) -> int:
        """The number of the attempt that is looked at, from 0."""
        record = self._record
        return 0 if record is None else record.attempt

    @property
    def exception(self) -> CaughtError | None:
        """What the attempt raised: `.type`, `.exception` (the message), `.traceback`; None for one that succeeded."""
        record = self._record
        if record is None or record.outcome == SUCCEEDED:
            return None
        found = record.exception
        if found is None:
            return CaughtError(record.outcome, record.reason, record.step)
        return CaughtError(found["type"], found.get("message", ""), record.step, found.get("traceback", ""))

    @property
    def index(self) -> int | None:
        """Its number in the innermost foreach, None outside any."""
        graph, (step, place) = self._history.graph, self._name
        return place_index(place) if step in graph and graph[step].depth else None

    # -- artifacts

    def _rows(self) -> Mapping[str, Any]:
        """Rows by name. Parameters and class constants stand once, in `_parameters`, and belong to every step."""
        record = self._record
        if record is None:
            return {}
        constants = {} if record.step == PARAMETERS_STEP else self._history.constants()
        return visible({**constants, **record.artifacts})

    def _child_ids(self) -> Sequence[str]:
        return sorted(name for name in self._rows() if not name.startswith("_"))

    def _child(self, name: str) -> DataArtifact | None:
        row = self._rows().get(name)
        return None if row is None else DataArtifact._made(self, name, row)

    def __contains__(self, name: object) -> bool:
        return name in self._rows()

    def __getitem__(self, name: str) -> DataArtifact:
        found = self._child(name)
        if found is None:
            raise missing_item(self, str(name), sorted(self._rows()))
        return found

    def __iter__(self) -> Iterator[DataArtifact]:
        return iter(self.artifacts)

    @property
    def artifacts(self) -> TaskArtifacts:
        """Its artifacts as objects, by attribute (`task.artifacts.model.data`) or one after another."""
        return TaskArtifacts(self, self._rows())

    @property
    def data(self) -> TaskData:
        """Its artifacts as values, each read when asked for: `task.data.model`."""
        return TaskData(self, self._rows())

    # -- output

    @property
    def stdout(self) -> str:
        """What the attempt printed; what is no UTF-8 is replaced."""
        return self._output(STDOUT).decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """What the attempt wrote to standard error; what is no UTF-8 is replaced."""
        return self._output(STDERR).decode("utf-8", "replace")

    @property
    def stdout_size(self) -> int:
        """Bytes that the attempt printed."""
        return output_size(self._client.stores.logging, self._log_at(), self._record, STDOUT)

    @property
    def stderr_size(self) -> int:
        """Bytes that the attempt wrote to standard error."""
        return output_size(self._client.stores.logging, self._log_at(), self._record, STDERR)

    def output(self, stream: str, start: int = 0) -> Iterator[bytes]:
        """One stream from byte `start`, in pieces. stream: `stdout` or `stderr`. Raises UsageError for another."""
        if stream not in (STDOUT, STDERR):
            raise UsageError(f"no stream {stream!r}", hint=hint(stream, (STDOUT, STDERR)))
        return output_of(self._client.stores.logging, self._log_at(), self._record, stream, start)

    def loglines(
        self, stream: str, as_unicode: bool = True, meta_dict: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[datetime | None, Any]]:
        """`(time, line)` for each line of a stream. Output is kept byte for byte and without a clock: time is when the
        attempt began."""
        del meta_dict  # Metaflow's callers may hand it in
        record = self._record
        began = moment(None if record is None else record.started_s)
        data = b"".join(self.output(stream))
        for line in data.split(b"\n")[: -1 if data.endswith(b"\n") or not data else None]:
            yield began, line.decode("utf-8", "replace") if as_unicode else line

    def _output(self, stream: str) -> bytes:
        return b"".join(self.output(stream))

    def _log_at(self) -> Pathspec:
        """The attempt whose log is read where no record says it: the one that runs."""
        spec = self._spec
        number = len(self._attempts) if spec.attempt is None else spec.attempt
        return Pathspec(spec.flow, spec.run, spec.step, spec.place, number)

    # -- facts

    @property
    def metadata(self) -> list[Metadatum]:
        """Facts in the order in which they arose, each with `.type` and `.value`; one `attempt` for each attempt.
        What a resumed run took has the facts of the task that it was taken from."""
        history, ran_in, limit = self._history, self._ran_in(), self._spec.attempt
        known = [one for one in ran_in.attempts(*self._name) if limit is None or one.attempt <= limit]
        resumed = history.header.get("origin")
        origin = {} if resumed is None else {"origin-run-id": str(resumed)}
        if self.origin_pathspec is not None:
            origin["origin-task-id"] = self.id
        return facts_of(self, ran_in.header, history.graph, known, origin)

    def _ran_in(self) -> History:
        """The run in which its attempts ran: the origin of one that was taken, as long as that can be read."""
        history, record = self._history, self._record
        if record is not None and is_taken(record, history.run):
            at = keys.record_of(records.key_of(record))
            origin = self._client.history(history.flow, history.run if at is None else at.run or history.run)
            with contextlib.suppress(NotFound):
                if origin.attempts(*self._name):
                    return origin
        return history

    @property
    def metadata_dict(self) -> dict[str, str]:
        """The newest value of each fact."""
        return {fact.type: fact.value for fact in self.metadata}

    @property
    def code(self) -> RunCode | None:
        """The code that it ran with; None where the run has none that can be read."""
        return code_of(self._client, self._ran_in().header)

    @property
    def environment_info(self) -> dict[str, Any]:
        """What it ran in: `python` and `packages` (those that the flow file imported, with their versions)."""
        header = self._ran_in().header
        return {name: header[name] for name in ("python", "packages") if header.get(name) is not None}

    @property
    def runtime_name(self) -> str | None:
        """The executor that was asked to run it."""
        return self.metadata_dict.get("runtime")

    @property
    def origin_pathspec(self) -> str | None:
        """The task that this one was taken from, None where it was run here."""
        origin, record = self._history.header.get("origin"), self._record
        if origin is None or record is None or not is_taken(record, self._spec.run or ""):
            return None
        return "/".join((self._spec.flow, origin, *self._name))

    # -- neighbours

    @property
    def parent_tasks(self) -> list[Task]:
        """The tasks that it read, in the order of a join's `inputs`."""
        return [self._task(*task) for task in self._parents()]

    @property
    def child_tasks(self) -> list[Task]:
        """The tasks that read it, as far as they exist."""
        return [self._task(*task) for task in self._children()]

    @property
    def parent_task_pathspecs(self) -> list[str]:
        """Pathspecs of `parent_tasks`."""
        return [task.pathspec for task in self.parent_tasks]

    @property
    def child_task_pathspecs(self) -> list[str]:
        """Pathspecs of `child_tasks`."""
        return [task.pathspec for task in self.child_tasks]

    def _parents(self) -> Sequence[tuple[str, str]]:
        return self._history.lineage().parents.get(self._name, ())

    def _children(self) -> Sequence[tuple[str, str]]:
        places = self._history.places()
        found = self._history.lineage().children(self._name)
        return [task for task in found if task[1] in places.get(task[0], ()) and self._name[0] != PARAMETERS_STEP]

    def _task(self, step: str, place: str) -> Task:
        return Task._made(self, Pathspec(self._spec.flow, self._spec.run, step, place))

    def _repr_html_(self) -> str:
        from penstock.client.html import task_html

        return task_html(self)
