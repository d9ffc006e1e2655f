"""Catalogues that break one promise each. Not collected by itself: `test_metadata_suite.py` runs it."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.contracts.metadata import AttemptRow, RunRow, TagRow
from penstock.errors import BackendUnavailable
from penstock.testing import MetadataSuite
from penstock_local.file_datastore import FileDatastore
from penstock_local.sqlite_metadata import SqliteMetadata
from tests.testing.planted import Fault

if TYPE_CHECKING:
    from penstock.contracts.datastore import Datastore
    from penstock.contracts.metadata import Row

PAUSE_S = 0.002


class Whole(SqliteMetadata):
    """Not broken."""


class Changing(SqliteMetadata):
    """Changes rows on their way in."""

    def changed(self, row: Row) -> Row:
        raise NotImplementedError

    def write(self, rows: Sequence[Row]) -> None:
        super().write([self.changed(row) for row in rows])


class HeaderIsText(Changing):
    def changed(self, row: Row) -> Row:
        if isinstance(row, RunRow):
            return row.changed(header=row.header.decode("utf-8", "replace").encode())
        return row


class TimesInMilliseconds(Changing):
    def changed(self, row: Row) -> Row:
        return row.changed(started_s=round(row.started_s, 3)) if isinstance(row, RunRow) else row


class SmallTags(Changing):
    def changed(self, row: Row) -> Row:
        return row.changed(tag=row.tag.lower()) if isinstance(row, TagRow) else row


class StrippedTags(Changing):
    def changed(self, row: Row) -> Row:
        return row.changed(tag=row.tag.strip()) if isinstance(row, TagRow) else row


class TagsOfNobody(Changing):
    def changed(self, row: Row) -> Row:
        return row.changed(system=False) if isinstance(row, TagRow) else row


class RowByRow(SqliteMetadata):
    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            super().write([row])
            if len(rows) == 20:
                time.sleep(PAUSE_S)  # readers come in between


class FirstRowStays(SqliteMetadata):
    def write(self, rows: Sequence[Row]) -> None:
        new: list[Row] = []
        for row in rows:
            if isinstance(row, RunRow) and list(self.runs(row.flow, run=row.run)):
                continue
            if isinstance(row, AttemptRow):
                there = self.attempts(row.flow, row.run, step=row.step, place=row.place)
                if any(one.attempt == row.attempt for one in there):
                    continue
            new.append(row)
        super().write(new)


class ByFlowThenNewest(SqliteMetadata):
    def runs(self, flow: str | None = None, **asked: Any) -> Iterator[RunRow]:
        found = super().runs(flow, **asked)
        return iter(sorted(found, key=lambda row: (row.flow, row.run), reverse=True))


class LimitBeforeFilters(SqliteMetadata):
    def runs(
        self, flow: str | None = None, *, outcome: str | None = None, limit: int | None = None, **asked: Any
    ) -> Iterator[RunRow]:
        return (row for row in super().runs(flow, limit=limit, **asked) if outcome in (None, row.outcome))


class NoLimitForZero(SqliteMetadata):
    def runs(self, flow: str | None = None, *, limit: int | None = None, **asked: Any) -> Iterator[RunRow]:
        return super().runs(flow, limit=limit or None, **asked)


class AnyOfTheTags(SqliteMetadata):
    def runs(self, flow: str | None = None, *, tags: Sequence[str] = (), **asked: Any) -> Iterator[RunRow]:
        return super().runs(flow, tags=tags[:1], **asked)


class TagsOfOtherFlows(SqliteMetadata):
    def runs(
        self, flow: str | None = None, *, tags: Sequence[str] = (), limit: int | None = None, **asked: Any
    ) -> Iterator[RunRow]:
        ids = {row.run for row in super().runs(tags=tags)} if "first" in tags else None
        found = [row for row in super().runs(flow, tags=[] if ids else tags, **asked) if ids is None or row.run in ids]
        return iter(found[:limit])


class RunsByPrefix(SqliteMetadata):
    def runs(self, flow: str | None = None, *, run: str | None = None, **asked: Any) -> Iterator[RunRow]:
        return (row for row in super().runs(flow, **asked) if row.run.startswith(run or ""))


class FlowsLikeThis(SqliteMetadata):
    def runs(self, flow: str | None = None, **asked: Any) -> Iterator[RunRow]:
        known = {one.lower(): one for one in self.flows()}
        return super().runs(None if flow is None else known.get(flow.lower(), flow), **asked)


class StepsByPrefix(SqliteMetadata):
    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        return (row for row in super().attempts(flow, run, place=place) if row.step.startswith(step or ""))


class NewestAttemptAlone(SqliteMetadata):
    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        found = sorted(super().attempts(flow, run, step=step, place=place), key=lambda row: row.attempt)
        yield from {(row.step, row.place): row for row in found}.values()


class HalfAThousand(SqliteMetadata):
    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        found = list(super().attempts(flow, run, step=step, place=place))
        return iter(found if len(found) < 1000 else found[:500])


class TagsOfTheRunId(SqliteMetadata):
    def tags(self, flow: str, run: str) -> Iterator[TagRow]:
        for one in self.flows():
            yield from super().tags(one, run)


class FlowsOfEachRun(SqliteMetadata):
    def flows(self) -> Iterator[str]:
        return (row.flow for row in self.runs())


class ForgetsTheRowAlone(SqliteMetadata):
    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        if tag is not None:
            return super().forget(flow, run, tag)
        kept = [*self.tags(flow, run), *self.attempts(flow, run)]
        super().forget(flow, run)
        return self.write(kept)


class ForgetsTheRunId(SqliteMetadata):
    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        for one in [flow] if tag else [*self.flows()]:
            super().forget(one, run, tag)


class ForgetsAllTags(SqliteMetadata):
    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        for one in [row.tag for row in self.tags(flow, run) if tag is not None and not row.system]:
            if any(row.tag == tag for row in self.tags(flow, run)) or one != tag:
                super().forget(flow, run, one)
        if tag is None:
            super().forget(flow, run)


class ForgetInsists(SqliteMetadata):
    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        if not list(self.runs(flow, run=run)):
            raise LookupError(run)
        super().forget(flow, run, tag)


class OneWriterAlone(SqliteMetadata):
    def write(self, rows: Sequence[Row]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{self.path}.lock", "a") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BackendUnavailable("another one writes") from None
            super().write(rows)
            time.sleep(PAUSE_S)


class RefillsRunsAlone(SqliteMetadata):
    def refill(self, batches: Iterable[Sequence[Row]]) -> None:
        super().refill([row for row in rows if isinstance(row, RunRow)] for rows in batches)


class RefilledAtOnce(SqliteMetadata):
    def refill(self, batches: Iterable[Sequence[Row]]) -> None:
        super().refill([])
        for rows in batches:
            self.write(rows)


class OptionsOfAnother(SqliteMetadata):
    def options(self) -> dict[str, Any]:
        return {"path": f"{self.path}.other"}


class OptionsTell(SqliteMetadata):
    def __init__(self, datastore: Datastore, path: str | None = None, password: str = "hunter2") -> None:
        super().__init__(datastore, path)
        self._password = password

    def options(self) -> dict[str, Any]:
        return {**super().options(), "password": self._password}


class ClosesOnce(SqliteMetadata):
    _closed = False

    def close(self) -> None:
        assert not self._closed, "closed already"
        self._closed = True
        super().close()


class EmptyIsAnError(SqliteMetadata):
    def flows(self) -> Iterator[str]:
        if not self.path.exists():
            raise BackendUnavailable("no catalogue")
        return super().flows()


FAULTS = [
    Fault(Whole, ""),
    Fault(HeaderIsText, "test_bytes_are_kept_byte_for_byte"),
    Fault(TimesInMilliseconds, "test_times_are_kept_to_the_microsecond"),
    Fault(SmallTags, "test_names_and_tags_of_any_letters"),
    Fault(StrippedTags, "test_names_and_tags_of_any_letters"),
    Fault(
        TagsOfNobody,
        "test_rows_come_back_as_they_are test_tags_say_whose_they_are test_a_row_replaces_one_with_the_same_names",
    ),
    Fault(
        RowByRow,
        "test_rows_are_written_all_or_none test_readers_look_while_a_writer_writes",
        "test_a_killed_writer_leaves_whole_batches",
    ),
    Fault(
        FirstRowStays,
        "test_a_row_replaces_one_with_the_same_names test_a_run_that_ends_has_its_outcome",
        "test_writers_of_different_runs_write_at_once",
    ),
    Fault(ByFlowThenNewest, "test_runs_are_found_newest_first"),
    Fault(LimitBeforeFilters, "test_runs_are_found_newest_first"),
    Fault(NoLimitForZero, "test_runs_are_found_newest_first"),
    Fault(AnyOfTheTags, "test_runs_are_found_newest_first"),
    Fault(TagsOfOtherFlows, "test_runs_are_found_newest_first"),
    Fault(RunsByPrefix, "test_runs_are_found_newest_first"),
    Fault(FlowsLikeThis, "test_runs_are_found_newest_first"),
    Fault(StepsByPrefix, "test_attempts_are_found_by_step_and_place"),
    Fault(NewestAttemptAlone, "test_attempts_are_found_by_step_and_place"),
    Fault(HalfAThousand, "test_a_thousand_attempts"),
    Fault(TagsOfTheRunId, "test_tags_say_whose_they_are", "test_forget_takes_a_run_with_all_its_rows"),
    Fault(FlowsOfEachRun, "test_flows_are_named_once_each"),
    Fault(ForgetsTheRowAlone, "test_forget_takes_a_run_with_all_its_rows"),
    Fault(
        ForgetsTheRunId, "test_forget_takes_a_run_with_all_its_rows test_forget_passes_over_what_is_not_there"
    ),
    Fault(ForgetsAllTags, "test_forget_takes_one_tag", "test_forget_passes_over_what_is_not_there"),
    Fault(ForgetInsists, "test_forget_passes_over_what_is_not_there"),
    Fault(OneWriterAlone, "test_writers_of_different_runs_write_at_once"),
    Fault(RefillsRunsAlone, "test_it_is_made_again_from_the_datastore"),
    Fault(RefilledAtOnce, "test_a_refill_that_breaks_off_is_still_needed"),
    Fault(
        OptionsOfAnother,
        "test_another_instance_sees_what_is_written test_another_process_sees_what_is_written "
        "test_writers_of_different_runs_write_at_once test_a_killed_writer_leaves_whole_batches "
        "test_closing_twice_closes_only_this_one test_readers_look_while_a_writer_writes",
    ),
    Fault(OptionsTell, "test_what_is_written_down_holds_no_secret"),
    Fault(ClosesOnce, "test_closing_twice_closes_only_this_one", "test_rows_are_written_all_or_none"),
    Fault(EmptyIsAnError, "test_an_empty_store_has_no_rows", "test_it_is_made_again_from_the_datastore"),
]


class Planted(MetadataSuite):
    backend: type[SqliteMetadata]
    secrets = ("hunter2",)

    def make(self, tmp_path: Path) -> SqliteMetadata:
        return self.backend(FileDatastore(root=str(tmp_path / "store")))


for _fault in FAULTS:
    globals()[f"Test{_fault.name}"] = type(f"Test{_fault.name}", (Planted,), {"backend": _fault.backend})
