"""The catalogue that needs no copies: it reads headers, records and tags where they stand, in any datastore.

A finished run of a datastore that is far away is folded into one index, so that its 1,000 tasks cost a handful of
requests. From the same rows any other catalogue is made again.
"""

from __future__ import annotations

import itertools

from penstock.contracts.metadata import AttemptRow, MetadataStore, RunRow, TagRow
from penstock.errors import ChunkDamaged, KeyMissing, NotReadable
from penstock.storage import bundle, keys, records
from penstock.storage.tags import read_tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.metadata import Row
    from penstock.values import Record

    ReadMany = Callable[[Sequence[str]], Iterator[tuple[str, bytes | None]]]

_FIRST = 4  # runs looked at before more are: mostly the latest is asked for
_AT_ONCE = 64
_REMEMBERED = 256  # rows of ended runs, some kB each
_REBUILD_BATCH = 500  # rows a write


class DatastoreCatalogue(MetadataStore):
    """Rows made from the objects themselves at the moment of the question; `write` and `forget` have nothing to do."""

    def __init__(self, datastore: Datastore) -> None:
        super().__init__(datastore)
        self._index: tuple[tuple[str, str], list[Record]] | None = None  # of the run that was asked for last
        self._ended: dict[tuple[str, str], RunRow] = {}  # rows that can't change any more, the latest that were read

    def write(self, rows: Sequence[Row]) -> None:
        """Nothing: the objects are the rows."""

    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        """Nothing: who deletes the objects has forgotten the rows."""

    def runs(
        self,
        flow: str | None = None,
        *,
        run: str | None = None,
        outcome: str | None = None,
        tags: Sequence[str] = (),
        limit: int | None = None,
    ) -> Iterator[RunRow]:
        """Two objects a run, read from the newest on and only as far as is asked for."""
        flows = [flow] if flow is not None else sorted(self.flows())
        if run is not None:
            ids = [(run, name) for name in flows]
        else:
            listed = self.datastore.list_folders
            ids = [(keys.name(one), name) for name in flows for one in listed(keys.flow_prefix(name))]
        rows = self._rows(sorted(ids, reverse=True), min(_FIRST, limit or _FIRST), listed=run is None)
        found = (row for row in rows if outcome is None or row.outcome == outcome)
        yield from itertools.islice((row for row in found if self._has(row, tags)), limit)

    def _rows(self, ids: Iterable[tuple[str, str]], count: int, *, listed: bool) -> Iterator[RunRow]:
        """listed: the runs were seen a moment ago, so what is remembered of ended ones still holds."""
        left = iter(ids)
        while some := list(itertools.islice(left, count)):
            count = min(2 * count, _AT_ONCE)
            known = {one: self._ended[one] for one in some if listed and one in self._ended}
            new = [one for one in some if one not in known]
            asked = [key(flow, run) for run, flow in new for key in (keys.run_header, keys.run_outcome)]
            raw = dict(self.datastore.get_many(asked))
            for run, flow in some:
                row = known.get((run, flow)) or self._row(flow, run, raw)
                if row is not None:  # else a folder that something else has made
                    yield row

    def _row(self, flow: str, run: str, raw: Mapping[str, bytes | None]) -> RunRow | None:
        header = raw[keys.run_header(flow, run)]
        if header is None:
            return None
        row = _run_row(flow, run, header, raw[keys.run_outcome(flow, run)])
        if row.outcome is not None:
            if len(self._ended) >= _REMEMBERED:
                self._ended.clear()
            self._ended[run, flow] = row
        return row

    def _has(self, row: RunRow, wanted: Sequence[str]) -> bool:
        return not wanted or set(wanted) <= {found.tag for found in self._tags(row.flow, row.run, row.header)}

    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        """From the index of a finished run; else one listing, and the records by the store's own way for many."""
        whole = self._indexed(flow, run)
        if whole is not None:
            for record in whole:
                if step in (None, record.step) and place in (None, record.place):
                    yield _attempt_row(record)
            return
        prefix = keys.tasks_prefix(flow, run, step, place if step is not None else None)
        found = [one.key for one in self.datastore.list(prefix) if one.key.endswith(".record")]
        for record in records.read_records(self.datastore, found):
            if place in (None, record.place):
                yield _attempt_row(record)

    def _indexed(self, flow: str, run: str) -> list[Record] | None:
        if self._index is None or self._index[0] != (flow, run):
            whole = read_index(self.datastore, flow, run)
            if whole is None:
                return None
            self._index = ((flow, run), whole)
        return self._index[1]

    def tags(self, flow: str, run: str) -> Iterator[TagRow]:
        """The tags' own objects, and the header's."""
        header = next(self.datastore.get_many([keys.run_header(flow, run)]))[1]
        if header is not None:
            yield from self._tags(flow, run, header)

    def _tags(self, flow: str, run: str, header: bytes) -> Iterator[TagRow]:
        for tag in read_tags(self.datastore, flow, run):
            yield TagRow(flow=flow, run=run, tag=tag)
        for tag in _decoded(header).get("system_tags") or ():
            yield TagRow(flow=flow, run=run, tag=tag, system=True)

    def flows(self) -> Iterator[str]:
        """The folders below `runs/`."""
        yield from flow_names(self.datastore)


def flow_names(datastore: Datastore) -> Iterator[str]:
    """Names of the flows that have a run, in any order. A name too long for a key stands in the headers of its runs."""
    for folder in datastore.list_folders(keys.RUNS):
        if not keys.is_hashed(folder):
            yield keys.name(folder)
            continue
        for one in datastore.list(f"{keys.RUNS}{folder}/"):
            if one.key.endswith("/run") and (header := records.read(datastore, one.key)) is not None:
                yield header["flow"]
                break


def _run_row(flow: str, run: str, header: bytes, outcome: bytes | None) -> RunRow:
    facts, ended = _decoded(header), _decoded(outcome)
    return RunRow(
        flow=flow, run=run, started_s=facts.get("started_s", 0.0), ended_s=ended.get("ended_s"),
        outcome=ended.get("outcome"), header=header,
    )  # fmt: skip


def _attempt_row(record: Record) -> AttemptRow:
    return AttemptRow(
        flow=record.flow, run=record.run, step=record.step, place=record.place, attempt=record.attempt,
        outcome=record.outcome, started_s=record.started_s, ended_s=record.ended_s,
        record=records.encode_record(record),
    )  # fmt: skip


def _decoded(raw: bytes | None) -> Mapping[str, Any]:
    """What stands in an object; nothing where it is missing or torn."""
    try:
        return {} if raw is None else records.decode(raw)
    except ChunkDamaged:
        return {}


# -------------------------------------------------------------------------------------- the index


def write_index(datastore: Datastore, flow: str, run: str, read: ReadMany) -> None:
    """Fold the records of a run that has ended into one part, and claim it as the run's index. read: as `get_many`."""
    found = sorted(records.list_records(datastore, flow, run))
    from penstock.storage.chunks import ChunkStore  # few stores have an index, and each run loads this module

    part = ChunkStore(datastore).writer()
    writer = bundle.BundleWriter(part.write)
    for _, raw in read(found):
        writer.add(raw or b"")
    count = writer.finish()
    data = {"records": part.finish(), "count": count, "token": records.new_token()}
    records.claim(datastore, keys.index(flow, run), "index", data)


def read_index(datastore: Datastore, flow: str, run: str) -> list[Record] | None:
    """The records that a run had when it ended; None where it has no index that can be read."""
    claimed = records.read(datastore, keys.index(flow, run))
    if claimed is None:
        return None
    try:
        from penstock.storage.chunks import ChunkStore

        raw = bytes(ChunkStore(datastore).read(claimed["records"]))
        return list(records.decode_bundle(raw, keys.index(flow, run)))
    except (ChunkDamaged, NotReadable, KeyMissing):
        return None  # the records themselves are still there


# ------------------------------------------------------------------------------- any other catalogue


def rebuild(datastore: Datastore, metadata: MetadataStore) -> None:
    """Write every row again, from the objects themselves."""
    metadata.refill(_batches(DatastoreCatalogue(datastore)))


def _batches(source: DatastoreCatalogue) -> Iterator[list[Row]]:
    for row in source.runs():
        batch: list[Row] = [row, *source.tags(row.flow, row.run)]
        for attempt in source.attempts(row.flow, row.run):
            batch.append(attempt)
            if len(batch) >= _REBUILD_BATCH:
                yield batch
                batch = []
        yield batch
