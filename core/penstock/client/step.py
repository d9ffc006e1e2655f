"""Step: the tasks of one step in a run."""

from __future__ import annotations

from penstock.client.missing import MissingChild, missing_step, missing_task
from penstock.client.node import Node, moment
from penstock.client.task import Task
from penstock.values import Pathspec, place_index
from penstock.view import is_taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from penstock.client.run import Run


class Step(Node):
    """A step: `Flow/run/step`. Raises NotFound, NamespaceMismatch.
    Iterating gives its tasks in the order of their places."""

    _form = "Flow/run/step"

    def _find(self) -> None:
        self._find_run()
        if self.id not in self._history.places():
            raise missing_step(self._history, self.id)

    @property
    def parent(self) -> Run:
        """The run."""
        from penstock.client.run import Run

        return Run._made(self, Pathspec(self._spec.flow, self._spec.run))

    # -- tasks

    def _child_ids(self) -> Sequence[str]:
        return self._history.places().get(self.id, ())

    def _child(self, name: str) -> Task | None:
        return self._task(name) if name in self._child_ids() else None

    def _missing(self, name: str) -> MissingChild:
        return missing_task(self._history, self.id, name)

    def __iter__(self) -> Iterator[Task]:
        return (self._task(place) for place in self._child_ids())

    def _task(self, place: str) -> Task:
        return Task._made(self, Pathspec(self._spec.flow, self._spec.run, self.id, place))

    @property
    def task(self) -> Task | None:
        """The first of its tasks; for a step that is no foreach: the one."""
        return next(iter(self), None)

    def tasks(self, *tags: str) -> Iterator[Task]:
        """Its tasks; with `tags`: none unless the run has them all."""
        return iter(self) if set(tags) <= (self.tags if tags else set()) else iter(())

    def control_tasks(self) -> Iterator[Task]:
        """Of a `@parallel` step: node 0 of each group, which leads the others."""
        graph = self._history.graph
        leads = self.id in graph and graph[self.id].parallel_step
        return (task for task in self if leads and place_index(task.id) == 0)

    @property
    def control_task(self) -> Task | None:
        """The first control task, None where the step is not parallel."""
        return next(self.control_tasks(), None)

    # -- neighbours

    @property
    def parent_steps(self) -> list[Step]:
        """The steps whose tasks its tasks read."""
        return self._steps({step for place in self._child_ids() for step, _ in self._parents(place)})

    @property
    def child_steps(self) -> list[Step]:
        """The steps whose tasks read its tasks."""
        lineage, places = self._history.lineage(), self._history.places()
        found = {step for place in self._child_ids() for step, _ in lineage.children((self.id, place))}
        return self._steps(found & set(places))

    def _parents(self, place: str) -> Sequence[tuple[str, str]]:
        return self._history.lineage().parents.get((self.id, place), ())

    def _steps(self, names: set[str]) -> list[Step]:
        flow, run = self._spec.flow, self._spec.run
        return [Step._made(self, Pathspec(flow, run, name)) for name in self._history.graph.steps if name in names]

    # -- when, and from where

    @property
    def created_at(self) -> datetime | None:
        """When its first attempt began, in local time."""
        every = [record.started_s for place in self._child_ids() for record in self._history.attempts(self.id, place)]
        return moment(min(every, default=None))

    @property
    def finished_at(self) -> datetime | None:
        """When the last of its tasks ended, in local time; None while one has not."""
        ends = [task.finished_at for task in self]
        return None if None in ends else max((end for end in ends if end is not None), default=None)

    @property
    def origin_pathspec(self) -> str | None:
        """The step of the run that this one resumed, where tasks of it were taken; else None."""
        origin, run = self._history.header.get("origin"), self._spec.run or ""
        attempts = (self._history.attempts(self.id, place) for place in self._child_ids())
        taken = any(is_taken(record, run) for records in attempts for record in records)
        return f"{self._spec.flow}/{origin}/{self.id}" if origin is not None and taken else None

    def _repr_html_(self) -> str:
        from penstock.client.html import step_html

        return step_html(self)
