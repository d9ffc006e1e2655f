"""What the loop hears of an executor: each job once, whatever the platform answers, here and from a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from penstock.contracts.executor import Executor, Gang, Job, JobState, JobStatus, RunInfo
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
        self.slow: threading.Event | None = None
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
        self._reach()
        return {name: self.known[name] for name in names if name in self.known}

    def sweep(self) -> None:
        if self.slow is not None:
            self.slow.wait()
        self._reach()

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
        one.jobs.close(one.told.append)
        assert one.bench.closed
        one.wake.close()


class Side:
    """The scheduler's side of a bench."""

    def __init__(self, bench: Bench, *, elsewhere: bool) -> None:
        self.bench, self.wake = bench, Wake()
        self.told: list[str] = []
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


def test_cancel_reaches_what_runs_and_what_the_platform_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "UNAVAILABLE_WAIT_S", 3600.0)
    bench = Bench()
    one = JobsHere(bench)
    one.start(job("runs"), adopt=False)
    bench.silent = 1
    one._known.waiting.append((job("lost answer"), False))
    one.start(job("unanswered"), adopt=False)
    one.start(job("another's"), adopt=True)
    one._known.waiting.append((job("never asked"), False))
    one.cancel(["runs", "unanswered", "lost answer", "another's", "never asked"])
    found = [(event.kind, event.name) for event in one.events(0.0)]
    assert found == [(REMARK, ""), (ENDED, "never asked")]
    assert bench.cancelled == [], "the platform is away: the wish waits"
    bench.known = {"lost answer": "handle-lost answer", "another's": "handle-another's"}
    one._known._not_before = 0.0
    assert [(event.kind, event.name) for event in one.events(0.0)] == [(ENDED, "unanswered")]
    assert bench.cancelled == ["handle-another's", "handle-lost answer", "handle-runs"]
    assert bench.submitted == ["runs"], "what is cancelled is not started any more"


def test_a_cancel_of_a_job_that_has_ended_is_asked_for_until_the_platform_hears_it(
    side: Callable[[Bench], Side],
) -> None:
    bench = Bench()
    one = side(bench)
    bench.ended = {"a": FAILED}
    one.jobs.start(job("a"), adopt=False)
    assert one.hear(1) == [(ENDED, "a")]
    bench.silent = 1
    one.jobs.cancel(["a"])  # another copy of it may live
    assert one.hear(1) == [(REMARK, "")]
    while not bench.cancelled:
        one.jobs.events(0.01)
    assert bench.cancelled == ["handle-a"]


def test_what_could_not_be_freed_at_the_end_is_told(side: Callable[[Bench], Side]) -> None:
    bench = Bench()
    one = side(bench)
    bench.silent = 1
    one.jobs.sweep()
    one.jobs.close(one.told.append)
    assert one.told == ["not all of its jobs could be freed: nobody answers"]


@pytest.mark.parametrize("patience_s", [0.0, 3600.0])
def test_the_end_is_waited_for_and_that_is_told(monkeypatch: pytest.MonkeyPatch, patience_s: float) -> None:
    monkeypatch.setattr(jobs, "QUIET_WAIT_S", 0.0)
    monkeypatch.setattr(jobs, "CLOSE_WAIT_S", patience_s)
    bench, wake, told = Bench(), Wake(), []
    bench.slow = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if patience_s:
            bench.slow.set()

    one = JobsElsewhere(bench, wake.call, Bell())
    one.sweep()
    one.close(tell)
    assert told[0].startswith("waiting for its last calls")
    assert told[1:] == ([] if patience_s else ["it has not ended its last calls: look there for jobs that are left"])
    monkeypatch.setattr(jobs, "QUIET_WAIT_S", 60.0)
    bench.slow.set()
    one.close(told.append)
    assert bench.closed
    wake.close()


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
    one.close([].append)
    wake.close()


def test_a_gang_is_handed_over_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many jobs wait before it, and whatever a call may take."""
    monkeypatch.setattr(jobs, "JOBS_AT_ONCE", 2)
    bench, calls = Bench(), []

    def submit_many(some: Sequence[Job]) -> list[str]:
        calls.append([job.name for job in some])
        return [f"handle-{job.name}" for job in some]

    monkeypatch.setattr(bench, "submit_many", submit_many)
    bench.silent = 1
    here = JobsHere(bench)
    gang = [Job(name=f"g{index}", message="", gang=Gang(lead="g0", index=index, size=3)) for index in range(3)]
    here.start(Job(name="a", message=""), adopt=False)
    here.start(*gang, adopt=False)
    while sum(map(len, calls)) < 4:
        here.events(0.0)
    assert calls == [["a"], ["g0", "g1", "g2"]] or calls == [["a", "g0", "g1", "g2"]]
