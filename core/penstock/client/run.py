"""Run: one execution of a flow."""

from __future__ import annotations

import contextlib

from penstock.client.code import code_of
from penstock.client.missing import MissingChild, missing_step
from penstock.client.node import Node, moment
from penstock.client.step import Step
from penstock.contracts.metadata import TagRow
from penstock.errors import BackendUnavailable, UsageError
from penstock.storage import tags as run_tags
from penstock.storage.tag_text import tag_texts
from penstock.values import SUCCEEDED, Pathspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from penstock.client.artifact import TaskData
    from penstock.client.code import RunCode
    from penstock.client.flow import Flow
    from penstock.client.task import Task
    from penstock.view import RunView


class Run(Node):
    """A run: `Flow/run`; the run as an id, a beginning of it, `latest` or `latest~1`.
    Raises NotFound, NamespaceMismatch.

    Iterating gives its steps, the last one first; names that begin with `_` are passed over, `run["_parameters"]`
    works.
    """

    _form = "Flow/run"

    def _find(self) -> None:
        self._find_run()

    @property
    def parent(self) -> Flow:
        """The flow."""
        from penstock.client.flow import Flow

        return Flow._made(self, Pathspec(self._spec.flow))

    # -- what became of it

    @property
    def status(self) -> str:
        """`running`, `succeeded`, `failed`, `cancelled`, or `died`: its scheduler is gone and said no outcome."""
        return self._history.status()

    @property
    def successful(self) -> bool:
        """Whether it ended well."""
        return self.status == SUCCEEDED

    @property
    def finished(self) -> bool:
        """Whether it ended, well or not. A run that died did not: `flow continue` goes on with it."""
        return self._history.outcome() is not None

    @property
    def created_at(self) -> datetime | None:
        """When it began, in local time."""
        return moment(self._history.header.get("started_s"))

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, in local time; None while it has not."""
        return moment((self._history.outcome() or {}).get("ended_s"))

    @property
    def origin_pathspec(self) -> str | None:
        """The run that this one resumed, None where it began anew."""
        origin = self._history.header.get("origin")
        return None if origin is None else f"{self._spec.flow}/{origin}"

    @property
    def end_task(self) -> Task | None:
        """The task of the last step, None while it was not reached."""
        found = self._child(self._history.graph.end)
        return None if found is None else found.task

    @property
    def data(self) -> TaskData | None:
        """The artifacts of the last step, None while it was not reached."""
        task = self.end_task
        return None if task is None else task.data

    @property
    def code(self) -> RunCode | None:
        """The code that it runs: `run.code.flowspec` is the flow file; None where there is none that can be read."""
        return code_of(self._client, self._history.header)

    def view(self) -> RunView:
        """The whole run as a value: steps, counts, times, failures; `.data()` of it is JSON."""
        return self._history.view()

    # -- steps

    def steps(self, *tags: str) -> Iterator[Step]:
        """Its steps, the last one first; with `tags`: none unless the run has them all."""
        return iter(self) if set(tags) <= (self.tags if tags else set()) else iter(())

    def _child_ids(self) -> Sequence[str]:
        places = self._history.places()
        return [name for name in reversed(self._history.graph.steps) if name in places and not name.startswith("_")]

    def _child(self, name: str) -> Step | None:
        if name not in self._history.places():
            return None
        return Step._made(self, Pathspec(self._spec.flow, self._spec.run, name))

    def _missing(self, name: str) -> MissingChild:
        return missing_step(self._history, name)

    # -- tags

    def add_tag(self, tag: str | Iterable[str]) -> None:
        """Add a tag (or several). One that penstock has set already stays as it is. Raises UsageError."""
        self.replace_tags((), tag_texts(tag))

    def add_tags(self, tags: Iterable[str]) -> None:
        """Add tags. Raises UsageError for what can't be a tag, and then adds none."""
        self.replace_tags((), tags)

    def remove_tag(self, tag: str | Iterable[str]) -> None:
        """Remove a tag (or several); what is not there is passed over. Raises UsageError for one of penstock's own."""
        self.replace_tags(tag_texts(tag), ())

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Remove tags. Raises UsageError for one of penstock's own, and then removes none."""
        self.replace_tags(tags, ())

    def replace_tag(self, tag_to_remove: str | Iterable[str], tag_to_add: str | Iterable[str]) -> None:
        """Remove one (or several), then add one (or several). Raises UsageError."""
        self.replace_tags(tag_texts(tag_to_remove), tag_texts(tag_to_add))

    def replace_tags(self, tags_to_remove: Iterable[str], tags_to_add: Iterable[str]) -> None:
        """Remove, then add: one object a tag, so that changes from several tasks at once lose nothing.

        Raises UsageError before anything is done.
        """
        removed, added = _texts(tags_to_remove), _texts(tags_to_add)
        own = self.system_tags
        if not removed and not added:
            raise UsageError("there is no tag to add or to remove", hint='run.add_tag("TEXT")')
        kept = [tag for tag in removed if tag in own]
        if kept:
            raise UsageError(
                f"{kept[0]!r} is a tag of penstock's own and can't be removed", hint="run.user_tags   # those that can"
            )
        added = [tag for tag in added if tag not in own]
        flow, run, stores = self._history.flow, self._history.run, self._client.stores
        run_tags.remove_tags(stores.datastore, flow, run, removed)
        run_tags.add_tags(stores.datastore, flow, run, added)
        with contextlib.suppress(BackendUnavailable):  # the catalogue follows; the objects are what counts
            for tag in removed:
                stores.metadata.forget(flow, run, tag)
            if added:
                stores.metadata.write([TagRow(flow=flow, run=run, tag=tag) for tag in added])

    def _repr_html_(self) -> str:
        from penstock.client.html import run_html

        return run_html(self)


def _texts(tags: Iterable[str]) -> list[str]:
    """Tags, or one tag, as Metaflow takes it here too."""
    return tag_texts(tags if isinstance(tags, str | bytes) or not hasattr(tags, "__iter__") else list(tags))
