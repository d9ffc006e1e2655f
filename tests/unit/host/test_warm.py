"""A host that is spoken to over its standard streams, as one in a container is."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.contracts import open as open_backend
from penstock.contracts.executor import Job, RunInfo
from penstock.host.elsewhere import HostOverStream
from penstock.host.protocol import Link, Pipes
from penstock.testing.executor_suite import Bench
from penstock.testing.isolated_executor import IsolatedExecutor
from penstock.values import CANCELLED, FAILED, SUCCEEDED

LIMIT_S = 60.0


class Warm:
    """The host as a process, and the driver's end of it."""

    def __init__(self, job: Job) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *job.host_command[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PATH": os.defpath, "HOME": "/nowhere", **job.environment},
        )  # fmt: skip
        assert self.process.stdin is not None and self.process.stdout is not None
        self.host = HostOverStream(Pipes(os.dup(self.process.stdout.fileno()), os.dup(self.process.stdin.fileno())))
        self.process.stdin.close()
        self.process.stdout.close()

    def ended(self, count: int) -> dict[str, int | None]:
        """Name and exit code of the next attempts that end."""
        found: dict[str, int | None] = {}
        until = time.monotonic() + LIMIT_S
        while len(found) < count:
            assert time.monotonic() < until and not self.host.gone
            select.select([self.host], [], [], 1.0)
            found.update((event.name, event.exit_code) for event in self.host.events())
        return found


def made(folder: Path) -> Bench:
    kind = IsolatedExecutor(RunInfo(flow="none", run="none", user="suite"))
    store = open_backend("penstock_local.file_datastore:FileDatastore", {"root": str(folder / "store")})
    return Bench(folder, store, kind)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with made(tmp_path) as bench:
        yield bench


def test_it_serves_attempts_one_after_another_and_at_once(bench):
    (first, key), (second, other) = bench.attempt("succeed"), bench.attempt("fail")
    warm = Warm(first)
    warm.host.start(first)
    assert warm.ended(1) == {first.name: 0}
    third, last = bench.attempt("succeed")
    warm.host.start(second)
    warm.host.start(third)
    assert warm.ended(2) == {second.name: 1, third.name: 0}
    assert [bench.record(one).outcome for one in (key, other, last)] == [SUCCEEDED, FAILED, SUCCEEDED]
    warm.host.close()
    assert warm.process.wait(LIMIT_S) == 0


def test_an_attempt_that_another_copy_owns_is_left_alone(bench):
    job, _ = bench.attempt("succeed")
    warm, other = Warm(job), Warm(job)
    warm.host.start(job)
    assert warm.ended(1) == {job.name: 0}
    other.host.start(job)
    assert other.ended(1) == {job.name: 75}
    for one in (warm, other):
        one.host.close()
        assert one.process.wait(LIMIT_S) == 0


def test_a_flow_that_can_not_be_imported_there_fails_each_attempt_with_the_reason(tmp_path):
    bench = made(tmp_path)
    bench.file.write_text("import nowhere_at_all\n" + bench.file.read_text())
    with bench:
        (first, key), (second, other) = bench.attempt("succeed"), bench.attempt("succeed")
        warm = Warm(first)
        for job, code in ((first, 1), (second, 1), (first, 75)):
            warm.host.start(job)
            assert warm.ended(1) == {job.name: code}
        for record in map(bench.record, (key, other)):
            assert record.outcome == FAILED
            assert record.exception["message"] == "no module named 'nowhere_at_all'"
        warm.host.close()
        assert warm.process.wait(LIMIT_S) == 0


@pytest.mark.parametrize("how", ["killed", "left"])
def test_what_runs_is_ended_and_recorded(bench, how):
    job, key = bench.attempt("hold")
    warm = Warm(job)
    warm.host.start(job)
    until = time.monotonic() + LIMIT_S
    while not (bench.part(key) / "running").exists():
        assert time.monotonic() < until
        select.select([warm.host], [], [], 0.05)
        warm.host.events()
    if how == "killed":
        warm.host.kill(job.name)
        assert warm.ended(1)[job.name] != 0
    warm.host.close()
    assert warm.process.wait(LIMIT_S) == 0
    assert bench.record(key).outcome == CANCELLED
    assert not bench.is_held(key)


def test_frames_go_through_pipes_whatever_their_size():
    read, write = os.pipe()
    back, forth = os.pipe()
    one, other = Link(Pipes(read, forth)), Link(Pipes(back, write))
    payload = os.urandom(3_000_000)
    sender = threading.Thread(target=one.send, args=({"event": "output"}, payload))
    sender.start()
    frames = []
    while not frames:
        other.wait(LIMIT_S)
        frames = other.receive()
    sender.join()
    assert frames == [({"event": "output"}, payload)]
    for link in (one, other):
        link.close()
