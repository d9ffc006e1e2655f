"""What jobs elsewhere print is shown while they run, once and in order, whenever their record comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from penstock.contracts.logsink import STDERR, STDOUT, LogStream
from penstock.errors import BackendUnavailable
from penstock.running import live_output
from penstock.running.live_output import LiveOutput
from penstock.storage.logs import DatastoreLogSink
from penstock.testing import MemoryDatastore

AT = ("F", "r", "train", "3", 0)


class Sink(DatastoreLogSink):
    """One that may be away, and counts who asks."""

    away = False
    asked = 0

    def piece_at(self, stream: LogStream, offset: int) -> bytes:
        self.asked += 1
        if self.away:
            raise BackendUnavailable("away")
        return super().piece_at(stream, offset)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_LOOK_S", "LOOK_EVERY_S", "SILENT_EVERY_S"):
        monkeypatch.setattr(live_output, name, 0.001)
    monkeypatch.setattr(live_output, "LOOKS_A_SECOND", 1000.0)


@pytest.fixture
def sink() -> Sink:
    return Sink(MemoryDatastore())


@pytest.fixture
def woken() -> threading.Event:
    return threading.Event()


@pytest.fixture
def live(sink: Sink, woken: threading.Event) -> Iterator[LiveOutput]:
    live = LiveOutput(sink, woken.set)
    yield live
    live.close()


def heard(live: LiveOutput, woken: threading.Event, many: int) -> dict[str, bytes]:
    """By stream, once there are so many bytes."""
    found = {STDOUT: b"", STDERR: b""}
    while sum(map(len, found.values())) < many:
        assert woken.wait(60)
        woken.clear()
        for step, place, source, piece in live.news():
            assert (step, place) == ("train", "3")
            found[source] += piece
    return found


def test_it_is_told_as_it_comes_and_counted(live: LiveOutput, sink: Sink, woken: threading.Event) -> None:
    live.follow("job", AT)
    sink.append(LogStream(*AT, STDOUT), 0, b"one\n")
    assert heard(live, woken, 4) == {STDOUT: b"one\n", STDERR: b""}
    sink.append(LogStream(*AT, STDERR), 0, b"oh")
    sink.append(LogStream(*AT, STDOUT), 4, b"two\n")
    assert heard(live, woken, 6) == {STDOUT: b"two\n", STDERR: b"oh"}
    assert live.end("job") == {STDOUT: 8, STDERR: 2}


def test_what_comes_after_the_end_is_left_to_the_record(live: LiveOutput, sink: Sink, woken: threading.Event) -> None:
    live.follow("job", AT)
    sink.append(LogStream(*AT, STDOUT), 0, b"one\n")
    assert woken.wait(60)
    assert live.end("job") == {STDOUT: 0, STDERR: 0}, "found, and not asked for yet"
    assert live.news() == []


def test_nobody_is_followed_who_was_not_named(live: LiveOutput) -> None:
    assert live.end("other") == {STDOUT: 0, STDERR: 0}
    assert live.news() == []


def test_a_sink_that_is_away_is_asked_again(live: LiveOutput, sink: Sink, woken: threading.Event) -> None:
    sink.away = True
    sink.append(LogStream(*AT, STDOUT), 0, b"one\n")
    live.follow("job", AT)
    while not sink.asked:
        threading.Event().wait(0.001)
    sink.away = False
    assert heard(live, woken, 4)[STDOUT] == b"one\n"


def test_who_is_followed_no_more_costs_nothing(live: LiveOutput, sink: Sink, woken: threading.Event) -> None:
    live.follow("job", AT)
    live.end("job")
    other = (*AT[:3], "4", 0)
    sink.append(LogStream(*other, STDOUT), 0, b"x")
    live.follow("other", other)
    assert woken.wait(60)
    assert all(one.at == other for _, _, one in live._due), "the first one is not due again"


def test_a_sink_that_hangs_holds_up_no_end_and_one_that_is_broken_ends_no_thread(
    sink: Sink, woken: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "CLOSE_WAIT_S", 0.01)
    gate, asked = threading.Event(), threading.Semaphore(0)
    sink.append(LogStream(*AT, STDOUT), 0, b"x")

    def broken_then_slow(_: LogStream, offset: int) -> bytes:
        asked.release()
        if sink.away:
            gate.wait()
        raise ZeroDivisionError(offset)

    monkeypatch.setattr(sink, "piece_at", broken_then_slow)
    live = LiveOutput(sink, woken.set)
    live.follow("a", AT)
    for _ in range(5):
        asked.acquire()  # it is asked again and again
    sink.away = True
    asked.acquire()
    live.close()
    gate.set()
