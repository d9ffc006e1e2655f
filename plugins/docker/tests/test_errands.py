"""Errands: done once, done later where the engine is away, told where they can't succeed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from penstock.errors import BackendUnavailable, JobRejected
from penstock_docker.errands import Errands

LIMIT_S = 60.0


@pytest.fixture
def errands(monkeypatch: pytest.MonkeyPatch) -> Iterator[Errands]:
    monkeypatch.setattr("penstock_docker.errands.AGAIN_S", 0.0)
    errands = Errands()
    yield errands
    errands.close()


def test_what_finds_the_engine_away_is_done_when_somebody_asks_again_and_not_before(errands: Errands) -> None:
    away, tries, failed = [True], [], []

    def work() -> None:
        tries.append(len(tries))
        if away[0]:
            raise BackendUnavailable("away")

    errands.do(work, failed.append)
    for many in (1, 2, 3):
        errands.settle(LIMIT_S)
        assert len(tries) == many
        errands.again()
        assert str(errands.trouble) == "away", "as long as nothing has succeeded"
    errands.settle(LIMIT_S)
    away[0] = False
    errands.again()
    errands.settle(LIMIT_S)
    errands.again()
    errands.settle(LIMIT_S)
    assert (len(tries), errands.trouble, failed) == (5, None, [])


def test_it_is_not_tried_again_at_once(errands: Errands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_docker.errands.AGAIN_S", 1e9)
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        raise BackendUnavailable("away")

    errands.do(work, tries.append)
    for _ in range(100):
        errands.settle(LIMIT_S)
        errands.again()
    assert tries == [1]


@pytest.mark.parametrize("error", [JobRejected("never"), ValueError("a fault")])
def test_what_can_not_succeed_is_told(errands: Errands, error: Exception) -> None:
    failed: list[Exception] = []

    def work() -> None:
        raise error

    errands.do(work, failed.append)
    errands.settle(LIMIT_S)
    assert failed == [error]
    assert errands.trouble is None


def test_what_was_begun_is_done_before_they_are_closed(errands: Errands) -> None:
    go, done = threading.Event(), []

    def work() -> None:
        assert go.wait(LIMIT_S)
        done.append(1)

    errands.do(work, done.append)
    threading.Timer(0.01, go.set).start()
    errands.close()
    assert done == [1]
    errands.do(work, done.append)
    assert done == [1], "nothing is done afterwards"
