"""Observers hear of a run in order, and can neither change it nor hold it up."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from penstock import observers
from penstock.observers import Observers
from penstock.registry import Registry
from penstock.values import SUCCEEDED, Pathspec, Record

AT = Pathspec("F", "r", "start", "0", 0)
LISTENER = """
from penstock.plugin import hookimpl
heard = []

@hookimpl
def penstock_attempt_started(pathspec):
    {started}

@hookimpl
def penstock_attempt_finished(record, will_retry):
    record.step = "spoilt"
    heard.append(("finished", will_retry))

@hookimpl
def penstock_run_started(run):
    heard.append(run)

@hookimpl
def penstock_run_finished(outcome):
    heard.append(outcome)
"""


@pytest.fixture
def listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], tuple[Observers, list[str]]]]:
    """Observers with one plugin whose `penstock_attempt_started` does this; and what the user is told."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def make(started: str) -> tuple[Observers, list[str]]:
        (tmp_path / "listener_plugin.py").write_text(dedent(LISTENER.format(started=started)))
        info = tmp_path / "listener-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: listener\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text("[penstock]\nlistener = listener_plugin\n")
        notes: list[str] = []
        told = Observers(Registry(path=[str(tmp_path)], environ={}), notes.append)
        told.run_started("F", "r", {})  # before anybody listens
        told.listen()
        return told, notes

    yield make
    sys.modules.pop("listener_plugin", None)


def heard() -> list[object]:
    found: list[object] = sys.modules["listener_plugin"].heard
    return found


def record() -> Record:
    return Record(flow="F", run="r", step="start", place="0", attempt=0, outcome=SUCCEEDED, token="t")


def test_events_come_in_order_and_what_a_listener_changes_is_its_own(listen: Callable[..., object]) -> None:
    told, notes = listen("heard.append(pathspec)")
    one = record()
    told.attempt_started(AT, "local")
    told.attempt_finished(one, True)
    told.run_finished("F", "r", "succeeded")
    told.close()
    told.close()
    assert heard() == ["r", str(AT), ("finished", True), "succeeded"]
    assert (one.step, notes) == ("start", [])


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_one_that_raises_is_named_once_and_hears_on(listen: Callable[..., object], fault: str) -> None:
    told, notes = listen(fault)
    for _ in range(3):
        told.attempt_started(AT, "local")
    told.run_finished("F", "r", "succeeded")
    told.close()
    assert heard() == ["r", "succeeded"]
    assert len(notes) == 1
    assert notes[0].startswith("the plugin listener:listener failed in penstock_attempt_started: ")


def test_one_that_hangs_holds_nobody_up(listen: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "WAITING_AT_MOST", 5)
    monkeypatch.setattr(observers, "CLOSE_WAIT_S", 0.01)
    told, notes = listen("heard.append(1); gate.wait()")
    gate = sys.modules["listener_plugin"].gate = threading.Event()
    for _ in range(10):
        told.attempt_started(AT, "local")
    told.close()
    assert notes == [
        "observers are more than 5 events behind and miss some",
        "the plugin listener:listener is too slow; the last events are not told",
    ]
    gate.set()


def test_without_a_listener_there_is_no_thread() -> None:
    before = threading.active_count()
    told = Observers(Registry(path=[], environ={}), print)
    told.listen()
    told.attempt_started(AT, "local")
    assert threading.active_count() == before
    told.close()
