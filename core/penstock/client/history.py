"""What happened in one run, read once: from the catalogue where its copies are complete, else from the datastore.

A run whose outcome was claimed does not change any more, so it is read once. While a run goes on its records may be
newer than the catalogue: then the datastore is listed, and only what is new is read.
"""

from __future__ import annotations

from penstock import view
from penstock.authoring.graph import Graph
from penstock.errors import BackendUnavailable, ChunkDamaged, KeyMissing, NotFound
from penstock.running import lease
from penstock.storage import keys, records, tags
from penstock.values import DIED, PARAMETERS_STEP, ROOT_PLACE, RUNNING, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.logsink import LogSink
    from penstock.contracts.metadata import MetadataStore, RunRow
    from penstock.values import Record

    class Stores(Protocol):
        """The three stores that a reader needs; `home.Home` is one, opening each on its first use."""

        @property
        def datastore(self) -> Datastore: ...
        @property
        def metadata(self) -> MetadataStore: ...
        @property
        def logging(self) -> LogSink: ...


class History:
    """Facts of one run. row: the catalogue's, where it was found there already."""

    def __init__(self, stores: Stores, flow: str, run: str, row: RunRow | None = None) -> None:
        self.stores, self.flow, self.run = stores, flow, run
        self._row = row
        self._header: dict[str, Any] | None = None
        self._graph: Graph | None = None
        self._outcome: dict[str, Any] | None = None
        self._lineage: view.Lineage | None = None
        self._read: set[str] = set()  # keys of the records that are known
        self._tasks: dict[tuple[str, str], list[Record]] = {}
        self._constants: Mapping[str, Any] | None = None
        self._asked_catalogue = False
        self._asked_origin = False
        self._final = False  # everything is known and nothing can change

    # -- the run itself

    @property
    def header(self) -> Mapping[str, Any]:
        """Who runs what, since when. Raises NotFound."""
        if self._header is None:
            self._header = self._catalogued_header() or records.read(
                self.stores.datastore, keys.run_header(self.flow, self.run)
            )
        if self._header is None:
            raise NotFound(
                f"{self.flow}/{self.run} has no readable header in {self.stores.datastore.label}",
                hint=f"flow runs {self.flow}",
            )
        return self._header

    def _catalogued_header(self) -> dict[str, Any] | None:
        try:
            return None if self._row is None else records.decode(self._row.header)
        except ChunkDamaged:
            return None

    @property
    def graph(self) -> Graph:
        """The graph with which the run began."""
        if self._graph is None:
            self._graph = Graph.of(self.header["graph"])
        return self._graph

    def outcome(self) -> Mapping[str, Any] | None:
        """`{"outcome", "ended_s", ...}`; None while none was claimed."""
        if self._outcome is None:
            row = self._row
            if row is not None and row.outcome is not None:
                self._outcome = {"outcome": row.outcome, "ended_s": row.ended_s}
            else:
                self._outcome = records.read(self.stores.datastore, keys.run_outcome(self.flow, self.run))
        return self._outcome

    def status(self) -> str:
        """`running`, `succeeded`, `failed`, `cancelled` or `died`, at this moment."""
        outcome = self.outcome()
        if outcome is not None:
            return view.status_of(outcome["outcome"], alive=False)
        alive = lease.state(self.stores.datastore, self.flow, self.run).alive
        if not alive:
            outcome = self.outcome()  # it may have ended between the two looks
        return view.status_of(None if outcome is None else outcome["outcome"], alive)

    def user_tags(self) -> frozenset[str]:
        """Tags that people set, as they are now."""
        return frozenset(tags.read_tags(self.stores.datastore, self.flow, self.run))

    def system_tags(self) -> frozenset[str]:
        """Tags that penstock set."""
        return frozenset(self.header.get("system_tags") or ())

    # -- its records

    def tasks(self) -> Mapping[tuple[str, str], Sequence[Record]]:
        """Attempts that have a record, in order, by task; what was taken from an origin included."""
        if not self._final:
            ended = self.outcome()  # asked first: what is listed afterwards is then all that there will be
            self._ask_catalogue()
            self._ask_origin()
            if ended is None or ended["outcome"] != SUCCEEDED or not view.is_whole(self.graph, self._tasks, self.run):
                self._list(None, None)
            self._final = ended is not None
            self._lineage = None
        return self._tasks

    def attempts(self, step: str, place: str) -> Sequence[Record]:
        """Attempts of one task, without reading the others'."""
        found = self._tasks.get((step, place), ())
        if self._final or (found and view.is_settled(found, self.run)):
            return found
        if not self._asked_catalogue:
            self._keep_rows(step, place)
        if not view.is_settled(self._tasks.get((step, place), ()), self.run):
            self._list(step, place)
        if records.standing(self._tasks.get((step, place), ())) is None:
            self._ask_origin()
        return self._tasks.get((step, place), ())

    def constants(self) -> Mapping[str, Any]:
        """Rows of parameters and class constants, which every step has without repeating them."""
        if self._constants is None:
            record = records.standing(self.attempts(PARAMETERS_STEP, ROOT_PLACE))
            if record is None:
                return {}
            self._constants = record.artifacts
        return self._constants

    def lineage(self) -> view.Lineage:
        """Which task reads which."""
        tasks = self.tasks()
        if self._lineage is None:
            self._lineage = view.lineage(self.graph, tasks)
        return self._lineage

    def places(self) -> Mapping[str, Sequence[str]]:
        """Step -> places of its tasks, sorted; in a running run also of those without a record."""
        tasks, status = self.tasks(), self.status()
        return view.existing(self.graph, tasks, status, self.lineage() if status in (RUNNING, DIED) else None)

    def exists(self, step: str, place: str) -> bool:
        """Whether the run has such a task."""
        return bool(self.attempts(step, place)) or place in self.places().get(step, ())

    def view(self) -> view.RunView:
        """The whole run as a value."""
        tasks, status = self.tasks(), self.status()
        return view.view_of(self.header, self.graph, tasks, status, self.outcome(), sorted(self.user_tags()))

    # -- reading

    def _ask_catalogue(self) -> None:
        if not self._asked_catalogue:
            self._keep_rows(None, None)
            self._asked_catalogue = True

    def _keep_rows(self, step: str | None, place: str | None) -> None:
        try:
            for row in self.stores.metadata.attempts(self.flow, self.run, step=step, place=place):
                key = keys.record(self.flow, self.run, row.step, row.place, row.attempt)
                self._keep(key, records.decode_record(row.record, key))
        except BackendUnavailable:
            pass  # the catalogue is a convenience: the datastore has it all

    def _ask_origin(self) -> None:
        """What a resumed run took: one object, claimed before its first task."""
        if self._asked_origin or self.header.get("origin") is None:
            return
        key = keys.taken(self.flow, self.run)
        try:
            for record in records.decode_bundle(self.stores.datastore.get(key), key):
                self._keep(records.key_of(record), record)
        except KeyMissing:
            return  # a moment ago the run was made
        self._asked_origin = True

    def _list(self, step: str | None, place: str | None) -> None:
        """Read the records of the run or of one task that are not known yet."""
        datastore = self.stores.datastore
        prefix = keys.tasks_prefix(self.flow, self.run, step, place)
        new = [one.key for one in datastore.list(prefix) if one.key.endswith(".record") and one.key not in self._read]
        self._keep_all(zip(new, records.read_records(datastore, new), strict=True))

    def _keep_all(self, found: Iterable[tuple[str, Record]]) -> None:
        for key, record in found:
            self._keep(key, record)

    def _keep(self, key: str, record: Record) -> None:
        if key not in self._read:
            self._read.add(key)
            attempts = self._tasks.setdefault((record.step, record.place), [])
            attempts.append(record)
            attempts.sort(key=lambda one: one.attempt)
