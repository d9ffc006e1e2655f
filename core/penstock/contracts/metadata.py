"""MetadataStore: the catalogue. Copies of run headers, records and tags, for questions that keys can't answer fast.

It decides nothing: every row can be written again from the datastore, and a row that is missing or late is no fault.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from penstock.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TypeAlias

    from penstock.contracts.datastore import Datastore

METADATA_CONTRACT = 1


class RunRow(Value):
    """A run. started_s, ended_s: Unix time; outcome: None while no outcome was claimed;
    header: the run's header, JSON."""

    __slots__ = ("ended_s", "flow", "header", "outcome", "run", "started_s")

    def __init__(
        self,
        *,
        flow: str,
        run: str,
        started_s: float,
        ended_s: float | None = None,
        outcome: str | None = None,
        header: bytes = b"{}",
    ) -> None:
        self.flow, self.run, self.started_s = flow, run, started_s
        self.ended_s, self.outcome, self.header = ended_s, outcome, header


class AttemptRow(Value):
    """An attempt that has a record. record: the record's object, byte for byte."""

    __slots__ = ("attempt", "ended_s", "flow", "outcome", "place", "record", "run", "started_s", "step")

    def __init__(
        self,
        *,
        flow: str,
        run: str,
        step: str,
        place: str,
        attempt: int,
        outcome: str,
        started_s: float,
        ended_s: float,
        record: bytes,
    ) -> None:
        self.flow, self.run, self.step, self.place, self.attempt = flow, run, step, place, attempt
        self.outcome, self.started_s, self.ended_s, self.record = outcome, started_s, ended_s, record


class TagRow(Value):
    """A tag of a run. system: set by penstock, never removed by people."""

    __slots__ = ("flow", "run", "system", "tag")

    def __init__(self, *, flow: str, run: str, tag: str, system: bool = False) -> None:
        self.flow, self.run, self.tag, self.system = flow, run, tag, system


if TYPE_CHECKING:
    Row: TypeAlias = RunRow | AttemptRow | TagRow


class MetadataStore(ABC):
    """Finds rows. One writer at a time a run (its scheduler) beside `flow tag`; readers at any time, also elsewhere.

    The constructor takes the datastore, then the options as keywords, and does no work. A store that can read the
    facts where they stand (objects of the datastore) need not keep copies: then `write` and `forget` have no effect.
    Each method may raise BackendUnavailable and BackendMisconfigured.
    """

    def __init__(self, datastore: Datastore, **options: Any) -> None:
        self.datastore = datastore

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Keep rows, all or none. A row with the same names replaces the older one."""

    @abstractmethod
    def runs(
        self,
        flow: str | None = None,
        *,
        run: str | None = None,
        outcome: str | None = None,
        tags: Sequence[str] = (),
        limit: int | None = None,
    ) -> Iterator[RunRow]:
        """Runs, newest id first: of one flow or all, with this id, this outcome and every one of `tags`."""

    @abstractmethod
    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        """Attempts of a run that have a record, in any order."""

    @abstractmethod
    def tags(self, flow: str, run: str) -> Iterator[TagRow]:
        """Tags of a run, in any order."""

    @abstractmethod
    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        """Drop the rows of a run, or one tag of it. What is not there is passed over."""

    def flows(self) -> Iterator[str]:
        """Names of all flows that have a run, in any order."""
        yield from {row.flow for row in self.runs()}

    def unfit(self) -> str:
        """Why this catalogue should not lie where it would, as a sentence's beginning; empty where it may.

        Asked only where nobody chose it by name: core's own, over the datastore, then takes its place.
        """
        return ""

    def needs_rebuild(self) -> bool:
        """Whether this catalogue was never filled from its datastore, was deleted or is damaged. Reads, never writes.

        While it is so, core reads the datastore instead; the next run that starts calls `refill`.
        """
        return False

    def refill(self, batches: Iterable[Sequence[Row]]) -> None:
        """Take all rows of the datastore, batch by batch; a damaged catalogue is set aside before.

        The batches are read from the datastore as they are asked for, so a lock that is taken before the first keeps
        newer rows from being replaced by older ones. If it ends half-way, `needs_rebuild` stays true.
        """
        for rows in batches:
            self.write(rows)

    def options(self) -> dict[str, Any]:
        """The keywords that open the same store in another process, as JSON. Never holds a secret."""
        return {}

    def close(self) -> None:
        """Free connections. May be called twice."""
