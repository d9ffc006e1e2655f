"""The commit of a gang: all nodes succeed or none, wherever a node dies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from penstock.contracts.datastore import Datastore
from penstock.errors import BackendUnavailable, KeyMissing
from penstock.running import gang_commit, history
from penstock.storage import keys, records
from penstock.values import CANCELLED, FAILED, SUCCEEDED, Record
from penstock_local.file_datastore import FileDatastore

NODES = 3


class Died(BaseException):
    """The process of a node is gone."""


class Mortal(FileDatastore):
    """Counts the calls of one node; dies at one of them, before or after it is obeyed."""

    def __init__(self, root: str, dies_at: int | None = None, obeys: bool = False) -> None:
        super().__init__(root)
        self.dies_at, self.obeys, self.calls = dies_at, obeys, 0

    def _call(self, method: str, *arguments: object, **options: object) -> object:
        self.calls += 1
        if self.calls == self.dies_at and not self.obeys:
            raise Died
        answer = getattr(super(), method)(*arguments, **options)
        if self.calls == self.dies_at:
            raise Died
        return answer

    def put(self, *arguments: object, **options: object) -> bool:  # type: ignore[override]
        return bool(self._call("put", *arguments, **options))

    def get(self, *arguments: object, **options: object) -> bytes:  # type: ignore[override]
        answer = self._call("get", *arguments, **options)
        assert isinstance(answer, bytes)
        return answer

    def exists(self, *arguments: object, **options: object) -> bool:  # type: ignore[override]
        return bool(self._call("exists", *arguments, **options))


def record(index: int, outcome: str = SUCCEEDED, place: str = "4.{}") -> Record:
    return Record(
        flow="F", run="r", step="s", place=place.format(index), attempt=0, outcome=outcome,
        token=f"{outcome}-{index}", transition={"kind": "linear", "to": ["join"]} if outcome == SUCCEEDED else None,
    )  # fmt: skip


def key(index: int) -> str:
    return keys.record("F", "r", "s", f"4.{index}", 0)


def run(
    stores: Sequence[Datastore], outcomes: Sequence[str], scheduler: Datastore | None = None
) -> list[Record | None]:
    """What each node finds to stand in the end, None for one that died; the last one to be done begins first."""
    found: list[Record | None] = [None] * len(stores)

    def node(index: int) -> None:
        try:
            found[index] = gang_commit.claim(stores[index], record(index, outcomes[index]), NODES)[1]
        except Died:  # its host, or the scheduler in its place
            with_nobody = record(index, FAILED)
            gang_commit.claim(scheduler or stores[index], with_nobody, NODES)

    threads = [threading.Thread(target=node, args=(index,), daemon=True) for index in range(NODES)]
    for thread in reversed(threads):
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return found


def test_nobody_succeeds_before_all_are_done(tmp_path: Path) -> None:
    store = FileDatastore(str(tmp_path))
    waits = threading.Thread(target=gang_commit.claim, args=(store, record(2), NODES), daemon=True)
    waits.start()
    waits.join(0.2)
    assert waits.is_alive() and not store.exists(key(2))
    stands = run([store] * NODES, [SUCCEEDED] * NODES)
    waits.join(30)
    assert [one and one.outcome for one in stands] == [SUCCEEDED] * NODES


@pytest.mark.parametrize("ill", range(NODES))
@pytest.mark.parametrize("outcome", [FAILED, CANCELLED])
def test_one_that_fails_lets_nobody_succeed(tmp_path: Path, ill: int, outcome: str) -> None:
    outcomes = [outcome if index == ill else SUCCEEDED for index in range(NODES)]
    stands = run([FileDatastore(str(tmp_path))] * NODES, outcomes)
    assert [one and one.outcome for one in stands] == [
        outcome if index == ill else CANCELLED for index in range(NODES)
    ]
    others = [one for index, one in enumerate(stands) if index != ill and one is not None]
    assert {one.reason for one in others} == {f"node {ill} of its gang {outcome}"}
    assert {one.transition is None for one in others} == {True}


def test_a_task_of_its_own_is_claimed_at_once(tmp_path: Path) -> None:
    store = FileDatastore(str(tmp_path))
    assert gang_commit.claim(store, record(1), None)[0]
    assert [one.key for one in store.list("runs")] == [key(1)]


@pytest.mark.parametrize("obeys", [False, True])
@pytest.mark.parametrize("mortal", range(NODES))
def test_a_death_at_every_call(tmp_path: Path, mortal: int, obeys: bool) -> None:
    """All or none, seen by records alone; the calls are tried one after another until a node survives."""
    died, both = True, set()
    number = 0
    while died:
        number += 1
        root = str(tmp_path / str(number))
        mortals = Mortal(root, number, obeys)
        stores = [mortals if index == mortal else FileDatastore(root) for index in range(NODES)]
        run(stores, [SUCCEEDED] * NODES, FileDatastore(root))
        died = mortals.calls >= number
        outcomes = [records.read_record(stores[0 if mortal else 1], key(index)).outcome for index in range(NODES)]
        assert len({one == SUCCEEDED for one in outcomes}) == 1, (number, outcomes)
        both.add(outcomes[0] == SUCCEEDED)
    assert both == {True, False}
    with pytest.raises(KeyMissing):
        records.read_record(stores[0 if mortal else 1], key(NODES))


@pytest.mark.parametrize("claimed", range(NODES))
def test_what_was_committed_is_completed_by_who_comes_next(tmp_path: Path, claimed: int) -> None:
    """Everybody died after the commit, when so many nodes had their records."""
    store = FileDatastore(str(tmp_path))
    for index in range(NODES):
        store.put(keys.staged("F", "r", "s", f"4.{index}", 0), records.encode_record(record(index)))
    for index in range(1, claimed + 1):
        records.claim_record(store, record(index))
    found = {one.place: one.outcome for one in history.records_of(store, "F", "r")}
    assert found == {f"4.{index}": SUCCEEDED for index in range(NODES)}
    recorded, _, staged = records.list_attempts(store, "F", "r")
    assert not gang_commit.complete(store, recorded, staged)


def test_a_broken_gang_is_completed_by_nobody(tmp_path: Path) -> None:
    store = FileDatastore(str(tmp_path))
    run([store] * NODES, [SUCCEEDED, FAILED, SUCCEEDED])
    store.delete([key(0)])
    recorded, _, staged = records.list_attempts(store, "F", "r")
    assert staged
    assert not gang_commit.complete(store, recorded, staged)


class Hiccups(FileDatastore):
    """Does not answer every other look."""

    looks = 0

    def exists(self, key: str) -> bool:
        self.looks += 1
        if self.looks % 2:
            raise BackendUnavailable("away")
        return super().exists(key)


def test_a_node_that_waits_outlives_a_store_that_is_away(tmp_path: Path) -> None:
    stands = run([FileDatastore(str(tmp_path)), *(Hiccups(str(tmp_path)) for _ in range(2))], [SUCCEEDED] * NODES)
    assert [one and one.outcome for one in stands] == [SUCCEEDED] * NODES
