"""Tasks as processes of this machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.contracts.executor import JobState, RunInfo
from penstock.errors import BackendMisconfigured
from penstock.testing import ExecutorSuite
from penstock.testing.executor_suite import Bench, ended
from penstock.values import Resources
from penstock_local.file_datastore import FileDatastore
from penstock_local.process_executor import ProcessExecutor


class TestProcessExecutor(ExecutorSuite):
    def make(self, run: RunInfo, folder: Path) -> ProcessExecutor:
        return ProcessExecutor(run)


# ------------------------------------------------------------------------ what only processes of a machine do


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    kind = ProcessExecutor(RunInfo(flow="F", run="r", user="u"))
    with Bench(tmp_path, FileDatastore(root=str(tmp_path / "store")), kind) as bench:
        yield bench


def hold(bench: Bench, executor: ProcessExecutor, **resources: float) -> tuple[str, str]:
    """Submit a job that goes on when it is told to; its handle and the key of its record."""
    job, key = bench.attempt("hold", resources=Resources(**resources))
    return executor.submit(job), key


def running(executor: ProcessExecutor, *handles: str) -> list[bool]:
    found = executor.poll(handles, 0.0)
    return [found[handle].state is JobState.RUNNING for handle in handles]


def test_jobs_that_declare_what_they_need_share_what_there_is(bench: Bench) -> None:
    executor = ProcessExecutor(bench.info, cpus=2, memory_mb=1000)
    made = [hold(bench, executor, **needs) for needs in ({"cpu": 1.5}, {"cpu": 1}, {"cpu": 0.5, "memory_mb": 10}, {})]
    (first, first_key), (second, _), (third, _), (free, _) = made
    assert running(executor, first, second, third, free) == [True, False, False, True]  # none overtakes the second
    bench.go(first_key)
    assert ended(executor, [first]) == [(JobState.SUCCEEDED, 0)]
    assert running(executor, second, third) == [True, True]
    for _, key in made:
        bench.go(key)
    assert ended(executor, [handle for handle, _ in made]) == [(JobState.SUCCEEDED, 0)] * 4


def test_a_job_that_asks_for_more_than_there_is_gets_that_and_it_is_said_once(bench: Bench) -> None:
    executor = ProcessExecutor(bench.info, cpus=2, memory_mb=1000)
    made = [hold(bench, executor, cpu=64) for _ in range(2)]
    assert running(executor, *(handle for handle, _ in made)) == [True, False]
    for _, key in made:
        bench.go(key)
    assert ended(executor, [handle for handle, _ in made]) == [(JobState.SUCCEEDED, 0)] * 2
    assert bench.notes == ["a step asks for 64 cores, this machine has 2: it gets those"]


def test_a_job_that_waits_is_cancelled_before_it_begins(bench: Bench) -> None:
    executor = ProcessExecutor(bench.info, cpus=1)
    (first, first_key), (second, second_key) = hold(bench, executor, cpu=1), hold(bench, executor, cpu=1)
    executor.cancel([second])
    assert ended(executor, [second]) == [(JobState.FAILED, None)]
    bench.go(first_key)
    ended(executor, [first])
    assert not bench.part(second_key).exists()
    assert not bench.datastore.exists(second_key)


def test_a_job_whose_host_dies_is_lost(bench: Bench) -> None:
    executor = ProcessExecutor(bench.info)
    handle, key = hold(bench, executor)
    while not (bench.part(key) / "running").exists():
        executor.poll([handle], 0.02)
    (host,) = set(bench.hosts._where.values())
    host.process.kill()
    assert ended(executor, [handle]) == [(JobState.LOST, None)]
    assert not bench.datastore.exists(key)
    while bench.is_held(key):
        executor.poll([handle], 0.02)


def test_an_attempt_holds_the_lock_of_its_run_when_its_scheduler_is_gone(tmp_path: Path) -> None:
    """Whoever continues the run waits until the last attempt of the dead scheduler is gone."""
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    kind = ProcessExecutor(RunInfo(flow="F", run="r", user="u"))
    with Bench(tmp_path, FileDatastore(root=str(tmp_path / "store")), kind, lock_fd=lock) as bench:
        executor = ProcessExecutor(bench.info)
        handle, key = hold(bench, executor)
        while not (bench.part(key) / "running").exists():
            executor.poll([handle], 0.02)
        os.close(lock)
        other = os.open(tmp_path / "lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        bench.go(key)
        ended(executor, [handle])
    fcntl.flock(other, fcntl.LOCK_EX)  # hosts are gone: it is free
    os.close(other)


def test_without_hosts_it_says_so() -> None:
    executor = ProcessExecutor(RunInfo(flow="F", run="r", user="u"))
    with pytest.raises(BackendMisconfigured, match="runs beside hosts"):
        executor.poll(["x"], 0.0)
