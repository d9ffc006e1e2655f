"""What the loop hears of an executor: each job once, whatever the platform answers, here and from a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from penstock.contracts.executor import Executor, Job, JobState, JobStatus, RunInfo
from penstock.errors import BackendUnavailable, JobRejected
from penstock.running import jobs
from penstock.running.jobs import ENDED, REJECTED, REMARK, TAIL, Bell, JobEvent, JobsElsewhere, JobsHere
from penstock.running.wake import Wake

DONE, FAILED = JobStatus(state=JobState.SUCCEEDED, exit_code=0), JobStatus(state=JobState.FAILED, exit_code=3)


class Bench(Executor):
    """Jobs end when their status is set; `silent`: the next calls find nobody."""

    poll_interval_s = 0.01

    def __init__(self) -> None:
        super().__init__(RunInfo(flow="F", run="r", user="ann"))
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.ended: dict[str, JobStatus] = {}
        self.known: dict[str, str] = {}
        self.silent = 0
        self.closed = False

    def _reach(self) -> None:
        if self.silent:
            self.silent -= 1
            raise BackendUnavailable("nobody answers")

    def submit(self, job: Job) -> str:
        self._reach()
        if job.name == "odd":
            raise JobRejected("it can never run here")
        self.submitted.append(job.name)
        return f"handle-{job.name}"

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        self._reach()
        running = JobStatus(state=JobState.RUNNING)
        return {handle: self.ended.get(handle.removeprefix("handle-"), running) for handle in job_ids}

    def cancel(self, job_ids: Sequence[str]) -> None:
        self._reach()
        self.cancelled += job_ids

    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: self.known[name] for name in names if name in self.known}

    def logs(self, job_id: str) -> Iterator[bytes]:
        yield b"x" * jobs.TAIL_BYTES
        yield b"last words"

    def close(self) -> None:
        self.closed = True


def job(name: str) -> Job:
    return Job(name=name, message="{}")


@pytest.fixture(params=["here", "elsewhere"])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Bench], Side]]:
    monkeypatch.setattr(jobs, "UNAVAILABLE_WAIT_S", 0.0)
    made: list[Side] = []

    def make(bench: Bench) -> Side:
        made.append(Side(bench, elsewhere=request.param == "elsewhere"))
        return made[-1]

    yield make
    for one in made:
        one.jobs.close()
        assert one.bench.closed
        one.wake.close()


class Side:
    """The scheduler's side of a bench."""

    def __init__(self, bench: Bench, *, elsewhere: bool) -> None:
        self.bench, self.wake = bench, Wake()
        self.jobs: JobsHere | JobsElsewhere = JobsHere(bench)
        if elsewhere:
            self.jobs = JobsElsewhere(bench, self.wake.call, Bell())

    def hear(self, count: int) -> list[tuple[str, str]]:
        """The next events, as kind and name."""
        return [(event.kind, event.name) for event in self.events(count)]

    def events(self, count: int) -> list[JobEvent]:
        found: list[JobEvent] = []
        while len(found) < count:
            found += self.jobs.events(0.01)
            if len(found) < count and isinstance(self.jobs, JobsElsewhere):
                self.wake.wait(1.0)
        assert len(found) == count, found
        return found


def test_a_job_ends_once_and_is_not_asked_for_again(side: Callable[[Bench], Side]) -> None:
    bench = Bench()
    one = side(bench)
    bench.ended = {"a": DONE, "b": FAILED}
    one.jobs.start(job("a"), adopt=False)
    one.jobs.start(job("b"), adopt=False)
    assert sorted(one.hear(2)) == [(ENDED, "a"), (ENDED, "b")]
    one.jobs.ask_tail("b")
    (tail,) = one.events(1)
    assert (tail.kind, len(tail.text), tail.text[-10:]) == (TAIL, jobs.TAIL_BYTES, "last words")
    one.jobs.ask_tail("nobody")
    assert [(event.kind, event.text) for event in one.events(1)] == [(TAIL, "")]


def test_what_can_never_run_is_told_and_the_next_one_starts(side: Callable[[Bench], Side]) -> None:
    bench = Bench()
    one = side(bench)
    bench.ended = {"a": DONE}
    one.jobs.start(job("odd"), adopt=False)
    one.jobs.start(job("a"), adopt=False)
    assert one.hear(2) == [(REJECTED, "odd"), (ENDED, "a")]


def test_a_platform_that_is_away_is_told_once_and_asked_again(side: Callable[[Bench], Side]) -> None:
    bench = Bench()
    one = side(bench)
    bench.silent, bench.ended = 3, {"a": DONE}
    one.jobs.start(job("a"), adopt=False)
    assert one.hear(2) == [(REMARK, ""), (ENDED, "a")]
    assert bench.submitted == ["a"]


def test_a_job_that_the_platform_has_is_adopted_and_not_submitted(side: Callable[[Bench], Side]) -> None:
    bench = Bench()
    one = side(bench)
    bench.known, bench.ended = {"a": "handle-a"}, {"a": DONE, "b": DONE}
    one.jobs.start(job("a"), adopt=True)
    one.jobs.start(job("b"), adopt=True)
    assert sorted(one.hear(2)) == [(ENDED, "a"), (ENDED, "b")]
    assert bench.submitted == ["b"]


def test_cancel_reaches_what_runs_and_forgets_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "UNAVAILABLE_WAIT_S", 3600.0)
    bench = Bench()
    one = JobsHere(bench)
    one.start(job("runs"), adopt=False)
    bench.silent = 1
    one.start(job("waits"), adopt=False)
    one.cancel(["runs", "waits"])
    found = [(event.kind, event.name) for event in one.events(0.0)]
    assert found == [(REMARK, ""), (ENDED, "waits")]
    assert bench.cancelled == [], "the platform is away: the wish waits"
    one._known._not_before = 0.0
    assert one.events(0.0) == []
    assert bench.cancelled == ["handle-runs"]


def test_what_the_executor_s_thread_dies_of_is_raised_in_the_loop() -> None:
    class Broken(Bench):
        def submit(self, job: Job) -> str:
            raise ZeroDivisionError

    wake = Wake()
    one = JobsElsewhere(Broken(), wake.call, Bell())
    one.start(job("a"), adopt=False)
    wake.wait(10.0)
    with pytest.raises(ZeroDivisionError):
        one.events(0.0)
    one.close()
    wake.close()
