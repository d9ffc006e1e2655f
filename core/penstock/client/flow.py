"""Flow: the runs of one flow, newest first."""

from __future__ import annotations

from penstock.client.client import Client
from penstock.client.node import Node, moment
from penstock.client.run import Run
from penstock.errors import NamespaceMismatch, NotFound
from penstock.values import SUCCEEDED, Pathspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from penstock.contracts.metadata import RunRow


class Flow(Node):
    """A flow that has run. Raises NotFound when it has not, NamespaceMismatch when the namespace hides all its runs.

    Iterating gives its runs, newest first; `flow[id]` takes a run's id, a beginning of it, `latest` or `latest~1`.
    """

    _form = "Flow"

    def __init__(self, name: str, _namespace_check: bool = True, *, client: Client | None = None) -> None:
        super().__init__(name, None, _namespace_check, client=client)

    def _find(self) -> None:
        if next(self._rows(limit=1), None) is not None:
            return
        if self._namespace is not None and next(self._client.run_rows(self.id, limit=1), None) is not None:
            raise self._client.hidden(f"no run of {self.id} is", self._namespace)
        raise self._client.no_flow(self.id)

    @property
    def _namespace(self) -> str | None:
        return self._client.namespace if self._check_namespace else None

    def _rows(self, *tags: str, outcome: str | None = None, limit: int | None = None) -> Iterator[RunRow]:
        wanted = [tag for tag in (self._namespace, *tags) if tag is not None]
        return self._client.run_rows(self.id, tags=wanted, outcome=outcome, limit=limit)

    def _run(self, row: RunRow) -> Run:
        return Run._made(self, Pathspec(self.id, row.run), self._client.history(self.id, row.run, row))

    @property
    def parent(self) -> None:
        """None: the root of the tree has no object of its own."""
        return None

    def runs(self, *tags: str) -> Iterator[Run]:
        """Runs that have every one of `tags`, newest first."""
        return (self._run(row) for row in self._rows(*tags))

    @property
    def latest_run(self) -> Run | None:
        """The newest run, whatever became of it."""
        return next((self._run(row) for row in self._rows(limit=1)), None)

    @property
    def latest_successful_run(self) -> Run | None:
        """The newest run that succeeded."""
        return next((self._run(row) for row in self._rows(outcome=SUCCEEDED, limit=1)), None)

    @property
    def created_at(self) -> datetime | None:
        """When its newest run began."""
        return moment(next((row.started_s for row in self._rows(limit=1)), None))

    @property
    def tags(self) -> frozenset[str]:
        """Empty: runs have tags, flows have none."""
        return frozenset()

    @property
    def user_tags(self) -> frozenset[str]:
        """Empty: runs have tags, flows have none."""
        return frozenset()

    @property
    def system_tags(self) -> frozenset[str]:
        """Empty: runs have tags, flows have none."""
        return frozenset()

    def is_in_namespace(self) -> bool:
        """Whether the namespace that holds now shows a run of it."""
        tag = self._client.namespace
        return tag is None or next(self._client.run_rows(self.id, tags=[tag], limit=1), None) is not None

    def __iter__(self) -> Iterator[Run]:
        return self.runs()

    def _child_ids(self) -> Sequence[str]:
        return [row.run for row in self._rows()]

    def _child(self, name: str) -> Run | None:
        try:
            return Run(f"{self.id}/{name}", _namespace_check=self._check_namespace, client=self._client)
        except NamespaceMismatch:
            raise
        except NotFound:
            return None

    def _repr_html_(self) -> str:
        from penstock.client.html import flow_html

        return flow_html(self)
