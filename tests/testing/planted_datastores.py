"""Datastores that break one promise each. Not collected by itself: `test_datastore_suite.py` runs it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from penstock.contracts.datastore import Stat
from penstock.contracts.finding import Finding
from penstock.errors import KeyMissing
from penstock.testing import DatastoreSuite
from penstock_local.file_datastore import FileDatastore
from tests.testing.planted import Fault

if TYPE_CHECKING:
    from penstock.contracts.datastore import Bytes

PAUSE_S = 0.004  # in which others come between the halves of what ought to be one


class Whole(FileDatastore):
    """Not broken."""


class CheckThenWriteOfProcesses(FileDatastore):
    _lock = threading.Lock()

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        if replace:
            return super().put(key, data, replace=True)
        with self._lock:
            if os.path.exists(self._path(key)):
                return False
            time.sleep(PAUSE_S)
            return super().put(key, data, replace=True)


class CheckThenWriteOfThreads(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        if replace:
            return super().put(key, data, replace=True)
        self._make_folder(self._root)
        with open(f"{self._root}/+lock", "a") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)  # of the process, so its threads pass
            if os.path.exists(self._path(key)):
                return False
            time.sleep(PAUSE_S)
            return super().put(key, data, replace=True)


class EqualBytesWinAgain(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        return super().put(key, data, replace=replace) or self.get(key) == bytes(data)


class SecondOverwrites(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        there = os.path.exists(self._path(key))
        return super().put(key, data, replace=True) and (replace or not there)


class ReplaceSaysWhetherItWasThere(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        there = os.path.exists(self._path(key))
        return super().put(key, data, replace=replace) and (there or not replace)


class ReplacesInPlace(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        if not replace or not os.path.exists(self._path(key)):
            return super().put(key, data, replace=replace)
        raw = bytes(data)
        with open(self._path(key), "wb") as file:
            file.write(raw[: len(raw) // 2])
            file.flush()
            time.sleep(PAUSE_S)
            file.write(raw[len(raw) // 2 :])
        return True


class WritesUnderItsName(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        if replace:
            return super().put(key, data, replace=True)
        self._make_folder(os.path.dirname(self._path(key)))
        raw = bytes(data)
        try:
            with open(self._path(key), "xb") as file:
                file.write(raw[: len(raw) // 2])
                file.flush()
                time.sleep(PAUSE_S)
                file.write(raw[len(raw) // 2 :])
        except FileExistsError:
            return False
        return True


class LeavesHalves(FileDatastore):
    """A second name that is a key holds the bytes while they are written; this process alone knows that it is none."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._halves: set[str] = set()

    def options(self) -> dict[str, Any]:
        return {"root": self._root}

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        raw, half = bytes(data), f"{key}.half"
        if len(raw) < 400_000:
            return super().put(key, data, replace=replace)
        super().put(half, raw[: len(raw) // 2], replace=True)
        time.sleep(10 * PAUSE_S)  # nearly all the time, so that a killed writer is killed here
        try:
            return super().put(key, data, replace=replace)
        finally:
            super().delete([half])


class CountsItems(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        return super().put(key, bytes(data)[: len(data)], replace=replace)


class KeepsNothingEmpty(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        return super().put(key, data, replace=replace) if len(data) else True


class CutsAt4MiB(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        return super().put(key, memoryview(data).cast("B")[: 4 << 20], replace=replace)


class ThinksTildeIsHome(FileDatastore):
    def _path(self, key: str) -> str:
        return super()._path(key.replace("~", "-"))


class CutsKeys(FileDatastore):
    def _path(self, key: str) -> str:
        return super()._path(key[:899])


class RefusesBeyondTheEnd(FileDatastore):
    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if start > os.path.getsize(self._path(key)) if os.path.isfile(self._path(key)) else False:
            raise ValueError("range not satisfiable")
        return super().get(key, start, length)


class TakesNoneForZero(FileDatastore):
    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return super().get(key, start, length or None)


class OpensTheWhole(FileDatastore):
    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        return super().open(key)


class ReadsAllAtOnce(FileDatastore):
    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        class Stream(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read()

        return Stream(self.get(key, start, length))


class RaisesForMissingAsTheSystemDoes(FileDatastore):
    def touch(self, key: str) -> None:
        try:
            super().touch(key)
        except KeyMissing:
            raise FileNotFoundError(key) from None


class NamesThePathOfWhatIsMissing(FileDatastore):
    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        try:
            return super().open(key, start, length)
        except KeyMissing:
            raise KeyMissing(self._path(key)) from None


class TouchMakesWhatIsMissing(FileDatastore):
    def touch(self, key: str) -> None:
        if self.stat(key) is not None:
            super().touch(key)


class FolderIsAnObject(FileDatastore):
    def exists(self, key: str) -> bool:
        return os.path.exists(self._path(key))


class SortsManyKeys(FileDatastore):
    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        return super().get_many(sorted(keys))


class AnswersOnceForAKey(FileDatastore):
    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        return super().get_many(dict.fromkeys(keys))


class PassesOverMissing(FileDatastore):
    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        return (pair for pair in super().get_many(keys) if pair[1] is not None)


class PutManyReplaces(FileDatastore):
    def put_many(self, items: Iterable[tuple[str, Bytes]]) -> None:
        for key, data in items:
            self.put(key, data, replace=True)


class ShowsPiecesOneByOne(FileDatastore):
    def put_pieces(self, key: str, pieces: Callable[[], Iterable[Bytes]]) -> bool:
        if self.exists(key):
            return False
        whole = b""
        for piece in pieces():
            whole += piece
            self.put(key, whole, replace=True)
        return True


class PiecesReplace(FileDatastore):
    def put_pieces(self, key: str, pieces: Callable[[], Iterable[Bytes]]) -> bool:
        return self.put(key, b"".join(pieces()), replace=True)


class ListsWholePartsAlone(FileDatastore):
    def list(self, prefix: str) -> Iterator[Stat]:
        for one in super().list(prefix):
            if one.key == prefix or not prefix or one.key.startswith(prefix.rstrip("/") + "/"):
                yield one


class ListsNeighbours(FileDatastore):
    def list(self, prefix: str) -> Iterator[Stat]:
        return super().list(prefix.rstrip("/"))


class ListsOnePage(FileDatastore):
    def list(self, prefix: str) -> Iterator[Stat]:
        for _, one in zip(range(200), super().list(prefix), strict=False):
            yield one


class ListsSomeTwice(FileDatastore):
    def list(self, prefix: str) -> Iterator[Stat]:
        for number, one in enumerate(super().list(prefix)):
            yield one
            if number and number % 200 == 0:
                yield one


class ListsFromMemory(FileDatastore):
    """What another instance, or this one a moment ago, saw below a folder of many."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._seen: dict[str, list[Stat]] = {}

    def options(self) -> dict[str, Any]:
        return {"root": self._root}

    def list(self, prefix: str) -> Iterator[Stat]:
        if not prefix.endswith("/"):
            return super().list(prefix)
        if prefix not in self._seen:
            self._seen[prefix] = list(super().list(prefix))
        return iter(self._seen[prefix])


class ListsByNumber(FileDatastore):
    """A page at a time, each beginning after as many objects as were given."""

    def list(self, prefix: str) -> Iterator[Stat]:
        given = 0
        while page := sorted(super().list(prefix), key=lambda one: one.key)[given : given + 20]:
            yield from page
            given += len(page)
            if given > 180:
                yield from sorted(super().list(prefix), key=lambda one: one.key)[given:]
                return


class FoldersTwice(FileDatastore):
    def list_folders(self, prefix: str) -> Iterator[str]:
        for one in self.list(prefix):
            yield one.key[len(prefix) :].partition("/")[0]


class FoldersWithoutObjects(FileDatastore):
    def list_folders(self, prefix: str) -> Iterator[str]:
        yield from (entry.name for entry in self._entries(prefix))

    def _remove_empty(self, folder: str) -> None:
        pass


class AgeIsATime(FileDatastore):
    def stat(self, key: str) -> Stat | None:
        found = super().stat(key)
        return found and Stat(key, found.size, time.time() - found.age_s)


class TouchesNothing(FileDatastore):
    def touch(self, key: str) -> None:
        if self.stat(key) is None:
            raise KeyMissing(key)


class TouchEmpties(FileDatastore):
    def touch(self, key: str) -> None:
        super().touch(key)
        self.put(key, b"", replace=True)


class ReplacingKeepsTheTime(FileDatastore):
    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        facts = None
        with contextlib.suppress(OSError):
            facts = os.stat(self._path(key))
        answer = super().put(key, data, replace=replace)
        if facts is not None and replace:
            os.utime(self._path(key), ns=(facts.st_atime_ns, facts.st_mtime_ns))
        return answer


class DeleteInsists(FileDatastore):
    def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            if self.stat(key) is None:
                raise KeyMissing(key)
        super().delete(keys)


class DeleteTakesFolders(FileDatastore):
    def delete(self, keys: Collection[str]) -> None:
        super().delete([one.key for key in keys for one in self.list(key) if one.key == key or "/" not in key])


class DeletesTheFirst(FileDatastore):
    def delete(self, keys: Collection[str]) -> None:
        super().delete(sorted(keys)[:200])


class OfOneThread(FileDatastore):
    _key = ""

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        self._key = key
        if len(data) <= 20_000:
            time.sleep(PAUSE_S / 4)
        return super().put(self._key, data, replace=replace)


class OfOneProcess(FileDatastore):
    _owner = 0

    def _path(self, key: str) -> str:
        self._owner = self._owner or os.getpid()
        assert self._owner == os.getpid(), "a connection was carried through a fork"
        return super()._path(key)


class OptionsOfAnother(FileDatastore):
    def options(self) -> dict[str, Any]:
        return {"root": self._root + "-other"}


class OptionsAreNoJson(FileDatastore):
    def options(self) -> dict[str, Any]:
        return {"root": Path(self._root)}


class LabelTells(FileDatastore):
    @property
    def label(self) -> str:
        return f"{self._root}?password=hunter2"


class LabelIsEmpty(FileDatastore):
    @property
    def label(self) -> str:
        return ""


class ClosesOnce(FileDatastore):
    _closed = False

    def close(self) -> None:
        assert not self._closed, "closed already"
        self._closed = True


class PathOfAnother(FileDatastore):
    def local_path(self, key: str) -> str:
        return f"{self._root}/elsewhere/{key}"


class NeedsNoFolder(FileDatastore):
    host_paths = ()


class ExaminationLeavesTraces(FileDatastore):
    def examine(self) -> Iterator[Finding]:
        yield from super().examine()
        self.put("doctor/was-here", b"")


class LongBootstrap(FileDatastore):
    def bootstrap(self) -> str:
        return super().bootstrap() + f"# {secrets.token_hex(4096)}\n"


class BootstrapNeedsUs(FileDatastore):
    def bootstrap(self) -> str:
        return "import penstock\n" + super().bootstrap()


class SecretsAreThePath(FileDatastore):
    """What a job has of its own is taken away."""

    def secrets(self) -> dict[str, str]:
        return {"PATH": "/nowhere"}


class NeedsMoreThanItTells(FileDatastore):
    """A variable of this process that it keeps to itself."""

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        assert "PYTEST_CURRENT_TEST" in os.environ
        return super().put(key, data, replace=replace)


class UnknownPackage(FileDatastore):
    def packages(self) -> tuple[str, ...]:
        return ("a_package_that_nobody_has",)


_RACES = "test_of_many_threads_exactly_one_puts test_of_many_processes_exactly_one_puts"
_EXAMINES = "test_it_finds_nothing_wrong_with_itself_and_leaves_nothing"
_KILLED = "test_what_a_killed_writer_leaves_is_whole"

FAULTS = [
    Fault(Whole, ""),
    Fault(CheckThenWriteOfProcesses, "test_of_many_processes_exactly_one_puts"),
    Fault(CheckThenWriteOfThreads, "test_of_many_threads_exactly_one_puts"),
    Fault(EqualBytesWinAgain, "test_a_second_put_leaves_the_first_and_says_so"),
    Fault(
        SecondOverwrites,
        f"{_EXAMINES} test_a_second_put_leaves_the_first_and_says_so test_put_many_leaves_what_exists",
        _RACES,
    ),
    Fault(ReplaceSaysWhetherItWasThere, "test_put_with_replace_replaces"),
    Fault(ReplacesInPlace, "test_a_reader_sees_nothing_or_everything", _KILLED),
    Fault(WritesUnderItsName, "test_a_reader_sees_nothing_or_everything", f"{_KILLED} {_RACES}"),
    Fault(LeavesHalves, _KILLED),
    Fault(CountsItems, "test_put_takes_any_bytes_as_they_are"),
    Fault(KeepsNothingEmpty, f"test_an_empty_object_is_one {_EXAMINES}"),
    Fault(CutsAt4MiB, "test_a_large_object"),
    Fault(ThinksTildeIsHome, "test_every_character_of_a_key"),
    Fault(CutsKeys, "test_a_key_of_900_bytes"),
    Fault(RefusesBeyondTheEnd, "test_ranges_are_those_of_bytes"),
    Fault(TakesNoneForZero, "test_ranges_are_those_of_bytes"),
    Fault(OpensTheWhole, "test_ranges_are_those_of_bytes test_open_gives_a_stream_that_is_read_in_pieces"),
    Fault(ReadsAllAtOnce, "test_open_gives_a_stream_that_is_read_in_pieces"),
    Fault(RaisesForMissingAsTheSystemDoes, "test_a_missing_key_raises_with_its_name"),
    Fault(NamesThePathOfWhatIsMissing, "test_a_missing_key_raises_with_its_name"),
    Fault(TouchMakesWhatIsMissing, "test_a_missing_key_raises_with_its_name"),
    Fault(FolderIsAnObject, "test_a_missing_key_raises_with_its_name"),
    Fault(SortsManyKeys, "test_get_many_keeps_the_order_and_tells_what_is_missing"),
    Fault(AnswersOnceForAKey, "test_get_many_keeps_the_order_and_tells_what_is_missing"),
    Fault(
        PassesOverMissing,
        "test_get_many_keeps_the_order_and_tells_what_is_missing test_threads_share_a_store",
    ),
    Fault(PutManyReplaces, "test_put_many_leaves_what_exists"),
    Fault(
        ShowsPiecesOneByOne, "test_put_pieces_makes_one_object test_put_pieces_that_come_to_no_end_leave_nothing"
    ),
    Fault(PiecesReplace, "test_put_pieces_makes_one_object"),
    Fault(ListsWholePartsAlone, "test_list_by_whole_and_half_parts"),
    Fault(ListsNeighbours, "test_list_by_whole_and_half_parts"),
    Fault(ListsOnePage, "test_more_objects_than_a_page_holds_are_listed_once_each"),
    Fault(ListsSomeTwice, "test_more_objects_than_a_page_holds_are_listed_once_each"),
    Fault(
        ListsFromMemory,
        "test_what_a_finished_put_wrote_is_listed",
        "test_objects_may_be_deleted_while_they_are_listed test_list_folders_forgets_an_emptied_folder",
    ),
    Fault(ListsByNumber, "test_objects_may_be_deleted_while_they_are_listed"),
    Fault(FoldersTwice, "test_list_folders_gives_the_next_part_once_each"),
    Fault(FoldersWithoutObjects, "test_list_folders_forgets_an_emptied_folder"),
    Fault(
        AgeIsATime,
        "test_stat_tells_size_and_age",
        "test_touch_makes_an_object_young_again test_replacing_makes_an_object_young_again",
    ),
    Fault(TouchesNothing, "test_touch_makes_an_object_young_again"),
    Fault(TouchEmpties, "test_touch_makes_an_object_young_again test_threads_share_a_store"),
    Fault(ReplacingKeepsTheTime, "test_replacing_makes_an_object_young_again"),
    Fault(DeleteInsists, "test_delete_passes_over_missing_keys"),
    Fault(DeleteTakesFolders, "test_delete_passes_over_missing_keys"),
    Fault(DeletesTheFirst, "test_more_objects_than_a_page_holds_are_listed_once_each"),
    Fault(
        OfOneThread, "test_threads_share_a_store test_what_a_finished_put_wrote_is_listed",
        "test_a_reader_sees_nothing_or_everything",
    ),
    Fault(OfOneProcess, "test_a_store_is_used_on_both_sides_of_a_fork"),
    Fault(
        OptionsOfAnother,
        "test_its_options_open_the_same_store test_closing_twice_closes_only_this_one "
        f"test_a_stranger_opens_it_with_its_secrets {_KILLED}",
    ),
    Fault(
        OptionsAreNoJson,
        "test_its_options_open_the_same_store test_closing_twice_closes_only_this_one "
        "test_of_many_processes_exactly_one_puts test_what_is_written_down_holds_no_secret "
        f"test_a_stranger_opens_it_with_its_secrets {_KILLED}",
    ),
    Fault(LabelTells, "test_what_is_written_down_holds_no_secret"),
    Fault(LabelIsEmpty, "test_it_says_where_the_data_lies"),
    Fault(ClosesOnce, "test_closing_twice_closes_only_this_one"),
    Fault(PathOfAnother, "test_local_path_is_the_object"),
    Fault(NeedsNoFolder, "test_host_paths_hold_every_object"),
    Fault(ExaminationLeavesTraces, _EXAMINES),
    Fault(LongBootstrap, "test_its_bootstrap_is_small"),
    Fault(BootstrapNeedsUs, "test_its_bootstrap_fetches_in_a_bare_interpreter"),
    Fault(SecretsAreThePath, "test_a_stranger_opens_it_with_its_secrets"),
    Fault(NeedsMoreThanItTells, "test_a_stranger_opens_it_with_its_secrets"),
    Fault(UnknownPackage, "test_its_packages_are_there"),
]


class Planted(DatastoreSuite):
    backend: type[FileDatastore]
    secrets = ("hunter2",)
    large_bytes = 8 << 20
    page = 250

    def make(self, tmp_path: Path) -> FileDatastore:
        return self.backend(root=str(tmp_path / "store"))


for _fault in FAULTS:
    globals()[f"Test{_fault.name}"] = type(f"Test{_fault.name}", (Planted,), {"backend": _fault.backend})
