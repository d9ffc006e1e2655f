"""What a run's driver copies into the catalogue, which decides nothing: a copy that is missing or late stops no run."""

from __future__ import annotations

from penstock.contracts.metadata import AttemptRow, RunRow, TagRow
from penstock.errors import BackendError
from penstock.storage import records, tags
from penstock.storage.catalogue import DatastoreCatalogue, rebuild

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from penstock.contracts.metadata import MetadataStore, Row
    from penstock.home import Home
    from penstock.values import Record

BATCH = 50  # records a write: fixed by count, not by the clock, so that a run makes the same calls each time


class AttemptCopies:
    """Records of a run on their way into the catalogue, some together. note: takes remarks for the user."""

    def __init__(self, metadata: MetadataStore, note: Callable[[str], None]) -> None:
        self._metadata, self._note = metadata, note
        self._rows: list[AttemptRow] = []

    def add(self, record: Record, raw: bytes) -> None:
        """Take in a record and its object, byte for byte."""
        row = AttemptRow(
            flow=record.flow, run=record.run, step=record.step, place=record.place, attempt=record.attempt,
            outcome=record.outcome, started_s=record.started_s, ended_s=record.ended_s, record=raw,
        )  # fmt: skip
        self._rows.append(row)
        if len(self._rows) >= BATCH:
            self.write()

    def write(self) -> None:
        """What has been taken in since the last time."""
        rows, self._rows = self._rows, []
        if rows:
            try:
                self._metadata.write(rows)
            except BackendError as error:
                self._note(f"the catalogue is behind ({error}); it is rebuilt from the records when needed")


def enter_run(home: Home, header: Mapping[str, Any], note: Callable[[str], None]) -> None:
    """The run and its tags; this waits until the first attempt is on its way."""
    flow, run, raw = header["flow"], header["run"], records.encode("run", header)
    rows: list[Row] = [RunRow(flow=flow, run=run, started_s=header["started_s"], header=raw)]
    rows += [TagRow(flow=flow, run=run, tag=tag) for tag in header["tags"]]
    rows += [TagRow(flow=flow, run=run, tag=tag, system=True) for tag in header["system_tags"]]
    _keep(home, rows, note)


def enter_outcome(
    home: Home, header: Mapping[str, Any], outcome: str, ended_s: float, note: Callable[[str], None]
) -> None:
    """How the run ended, and the tags that it has by now: a task elsewhere changes them in the datastore alone."""
    flow, run, raw = header["flow"], header["run"], records.encode("run", header)
    row = RunRow(flow=flow, run=run, started_s=header["started_s"], ended_s=ended_s, outcome=outcome, header=raw)
    _keep(home, [row], note)
    if isinstance(home.metadata, DatastoreCatalogue):
        return
    try:
        there = set(tags.read_tags(home.datastore, flow, run))
        known = {row.tag for row in home.metadata.tags(flow, run) if not row.system}
        for tag in known - there:
            home.metadata.forget(flow, run, tag)
    except BackendError as error:
        note(str(error))
        return
    if there - known:
        _keep(home, [TagRow(flow=flow, run=run, tag=tag) for tag in sorted(there - known)], note)


def _keep(home: Home, rows: Sequence[Row], note: Callable[[str], None]) -> None:
    """Write rows; a catalogue that was lost or damaged is made again first."""
    try:
        if home.metadata.needs_rebuild():
            rebuild(home.datastore, home.metadata)
        home.metadata.write(rows)
    except BackendError as error:
        note(str(error))
