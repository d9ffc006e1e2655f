"""The loop, with a real store and an executor whose jobs do at once what a script says: what is started in which order,
what counts as failed, who is cancelled, and what a run lives through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock.authoring.graph_source import graph_of_source
from penstock.contracts.executor import Executor, Job, JobState, JobStatus, RunInfo
from penstock.contracts.logsink import LogStream
from penstock.contracts.reach import Reach
from penstock.errors import BackendMisconfigured, BackendUnavailable, JobRejected
from penstock.observers import Observers
from penstock.registry import Registry
from penstock.running import scheduler as loop
from penstock.running.history import known_of, records_of
from penstock.running.jobs import JobsHere
from penstock.running.lease import Lease
from penstock.running.message import Message
from penstock.running.placement import StepPlan
from penstock.running.plan import FREE_LOSSES, Policy
from penstock.running.scheduler import Scheduler
from penstock.running.wake import Wake
from penstock.running.wishes import CONTINUE, FAIL_FAST, FINISH
from penstock.storage import keys, records
from penstock.storage.catalogue import DatastoreCatalogue
from penstock.storage.logs import DatastoreLogSink
from penstock.values import CANCELLED, FAILED, LOST, PARAMETERS_STEP, SUCCEEDED, Record, Resources
from tests.unit.dict_datastore import DictDatastore
from tests.unit.running.heard import Heard

FLOW = """
class F(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.each, foreach="items")
    @step
    def each(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
WIDTH = 3
EVERY = [f"{PARAMETERS_STEP}/0", "start/0", *(f"each/{i}" for i in range(WIDTH)), "join/0", "end/0"]
GRAPH = graph_of_source(FLOW, "f.py")
RUNNING, SLOW, GONE, REFUSED = "running", "slow", "gone", "refused"  # what a script says of an attempt beside outcomes
SLOW_POLLS = 20


class Stage(Executor):
    """Runs jobs by a script: `step/place/attempt` -> outcome of its record, RUNNING for ever, SLOW to succeed, GONE
    without a record, REFUSED; else success. Puts the records itself, as workers do. fate: is told of each job."""

    jobs_at = Reach.ANYWHERE
    poll_interval_s = 0.0

    def __init__(self, store: DictDatastore, script: Mapping[str, str]) -> None:
        super().__init__(RunInfo(flow="F", run="r", user="ann"))
        self.store, self.script = store, dict(script)
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.states: dict[str, JobStatus] = {}
        self.slow: dict[str, tuple[Message, int]] = {}
        self.fate: Callable[[str], object] = bool

    def submit(self, job: Job) -> str:
        message = Message.of(json.loads(job.message))
        name = f"{message.step}/{message.place}/{message.attempt}"
        said = self.script.get(name, SUCCEEDED)
        if said == REFUSED:
            raise JobRejected("too large for anybody")
        self.submitted.append(name)
        if said in (RUNNING, SLOW):
            self.states[name] = JobStatus(state=JobState.RUNNING)
            self.slow.update({name: (message, SLOW_POLLS)} if said == SLOW else {})
        elif said in (GONE, LOST):
            state = JobState.LOST if said == LOST else JobState.FAILED
            self.states[name] = JobStatus(state=state, reason="its machine burnt down")
        else:
            self._record(message, said)
            self.states[name] = JobStatus(state=JobState.SUCCEEDED, exit_code=0)
        self.fate(name)
        return name

    def _record(self, message: Message, outcome: str) -> None:
        record = Record(
            flow="F", run="r", step=message.step, place=message.place, attempt=message.attempt, outcome=outcome,
            token=message.token, parents=message.parents, exception={"message": "boom"} if outcome == FAILED else None,
        )  # fmt: skip
        if outcome == SUCCEEDED:
            record.transition = _transition(message.step, "parallel" if self.runs_gangs else "foreach")
        records.claim_record(self.store, record)

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        for name, (message, left) in list(self.slow.items()):
            self.slow[name] = message, left - 1
            if not left:
                del self.slow[name]
                self._record(message, SUCCEEDED)
                self.states[name] = JobStatus(state=JobState.SUCCEEDED, exit_code=0)
        return {name: self.states[name] for name in job_ids}

    def logs(self, job_id: str) -> Iterator[bytes]:
        yield b"what the platform kept"

    def cancel(self, job_ids: Sequence[str]) -> None:
        self.cancelled += job_ids
        for name in job_ids:
            if not self.states[name].state.ended:
                self.states[name] = JobStatus(state=JobState.FAILED, reason="cancelled")
                self.slow.pop(name, None)


def _transition(step: str, split: str) -> dict[str, Any]:
    if step == PARAMETERS_STEP:
        return {"kind": "linear", "to": ["start"]}
    if step == "start":
        return {"kind": split, "to": ["each"], "var": "items", "width": WIDTH}
    return {"kind": "end"} if step == "end" else {"kind": "linear", "to": list(GRAPH[step].to)}


class Theatre:
    """A store, a lease, an executor and the loop over them."""

    def __init__(self, store: DictDatastore, script: Mapping[str, str]) -> None:
        self.store, self.console = store, Heard()
        theirs = DictDatastore()  # what workers see of the same objects
        theirs.objects, theirs.ages_s = store.objects, store.ages_s
        self.stage = Stage(theirs, script)
        self.lease = Lease(store, "F", "r", "ann")
        self.lease.take(new=not store.objects)

    def scheduler(self, *, policy: Policy | None = None, **more: Any) -> Scheduler:
        step = StepPlan(
            executor="stage", options={}, policy=policy or Policy(), resources=Resources(), environment={},
            timeout_s=None,
        )  # fmt: skip
        wake = Wake()
        return Scheduler(
            graph=GRAPH, run="r", datastore=self.store, metadata=more.pop("metadata", DatastoreCatalogue(self.store)),
            logging=more.pop("logging", DatastoreLogSink(self.store)),
            observers=Observers(Registry(path=[], environ={}), self.console.note),
            jobs={"stage": JobsHere(self.stage)}, wake=wake, steps=dict.fromkeys([*GRAPH.steps, PARAMETERS_STEP], step),
            lease=self.lease, console=self.console, max_workers=more.pop("max_workers", 10), **more,
        )  # fmt: skip

    def outcomes(self) -> dict[str, list[str]]:
        """Of the attempts of each task that has records."""
        found = records.fold(records_of(self.store, "F", "r"))
        return {"/".join(task): [one.outcome for one in attempts] for task, attempts in found.items()}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("WAIT_S", "STORE_AGAIN_S", "REMOTE_LOOK_S", "DEFAULT_DELAY_ELSEWHERE_S"):
        monkeypatch.setattr(loop, name, 0.0)


@pytest.fixture
def theatre() -> Callable[..., Theatre]:
    return lambda script=None, store=None: Theatre(store or DictDatastore(), script or {})


@pytest.mark.parametrize("workers", [1, 2, 100])
def test_each_task_is_started_once_after_what_it_needs(theatre: Callable[..., Theatre], workers: int) -> None:
    one = theatre()
    most: list[int] = []
    scheduler = one.scheduler(max_workers=workers)
    one.stage.fate = lambda _: most.append(len(scheduler._running))
    assert scheduler.loop() == SUCCEEDED
    assert one.stage.submitted == [f"{task}/0" for task in EVERY]
    assert max(most) == min(workers, WIDTH)
    assert one.console.begun == EVERY[1:]
    assert scheduler.counts[SUCCEEDED] == len(EVERY) - 1


@pytest.mark.parametrize(
    ("mode", "each"),
    [
        (FINISH, [[SUCCEEDED], [FAILED]]),  # what runs may end; nothing new begins
        (FAIL_FAST, [[CANCELLED], [FAILED]]),
        (CONTINUE, [[SUCCEEDED], [FAILED], [SUCCEEDED]]),  # all that does not need it
    ],
)
def test_what_a_failure_means_for_the_others(theatre: Callable[..., Theatre], mode: str, each: list[list[str]]) -> None:
    one = theatre({"each/0/0": SLOW, "each/1/0": FAILED})
    scheduler = one.scheduler(max_workers=2, on_failure=mode)
    assert scheduler.loop() == FAILED
    found = one.outcomes()
    assert [found[f"each/{index}"] for index in range(WIDTH) if f"each/{index}" in found] == each
    assert set(one.stage.cancelled) == ({"each/0/0"} if mode == FAIL_FAST else set())
    assert "join/0/0" not in one.stage.submitted
    assert [str(at) for at in scheduler.failed] == ["F/r/each/1"]


@pytest.mark.parametrize(
    ("fates", "times", "outcomes"),
    [
        ([FAILED], 0, [FAILED]),
        ([FAILED, SUCCEEDED], 1, [FAILED, SUCCEEDED]),
        ([FAILED, FAILED, FAILED], 2, [FAILED, FAILED, FAILED]),
        ([GONE, SUCCEEDED], 1, [FAILED, SUCCEEDED]),
        ([LOST] * FREE_LOSSES + [SUCCEEDED], 0, [LOST] * FREE_LOSSES + [SUCCEEDED]),
        ([LOST] * (FREE_LOSSES + 1), 0, [LOST] * (FREE_LOSSES + 1)),
        ([LOST, FAILED, LOST, FAILED], 1, [LOST, FAILED, LOST, FAILED]),
    ],
)
def test_failures_count_against_retry_and_losses_against_a_budget_of_their_own(
    theatre: Callable[..., Theatre], fates: list[str], times: int, outcomes: list[str]
) -> None:
    one = theatre({f"start/0/{number}": fate for number, fate in enumerate(fates)})
    scheduler = one.scheduler(policy=Policy(times))
    assert scheduler.loop() == (SUCCEEDED if outcomes[-1] == SUCCEEDED else FAILED)
    assert one.outcomes()["start/0"] == outcomes
    told = [line for line in one.console.ended if line.startswith("start/0")]
    assert told == [f"start/0 {outcome}+" for outcome in outcomes[:-1]] + [f"start/0 {outcomes[-1]}"]


def test_a_delay_of_the_users_is_waited_for_with_nothing_else_to_do(
    theatre: Callable[..., Theatre], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = theatre({"start/0/0": FAILED})
    moments: list[float] = []
    monkeypatch.setattr(loop.time, "monotonic", lambda: len(moments) * 10.0)
    scheduler = one.scheduler(policy=Policy(1, delay_s=95.0))
    one.lease.beat = lambda: moments.append(0.0) or True  # type: ignore[method-assign]  # each turn ten seconds
    assert scheduler.loop() == SUCCEEDED
    assert one.outcomes()["start/0"] == [FAILED, SUCCEEDED]
    assert len(moments) >= 10


def test_what_can_never_run_is_told_whenever_that_is_found_out(theatre: Callable[..., Theatre]) -> None:
    one = theatre({"start/0/0": FAILED, "start/0/1": REFUSED})
    scheduler = one.scheduler(policy=Policy(3))
    assert scheduler.loop() == FAILED
    assert one.console.notes == ["start/0: too large for anybody"]
    assert [str(at) for at in scheduler.failed] == ["F/r/start/0"]


def test_stopping_cancels_what_runs_and_claims_what_no_job_will_tell_of(theatre: Callable[..., Theatre]) -> None:
    one = theatre({"each/0/0": RUNNING, "each/1/0": GONE})
    scheduler = one.scheduler()

    def owned_by_a_copy(name: str) -> None:
        if name == "each/2/0":
            one.stage.states["each/1/0"] = JobStatus(state=JobState.FAILED, exit_code=75)
            scheduler.please_stop()

    one.stage.fate = owned_by_a_copy
    assert scheduler.loop() == CANCELLED
    assert one.outcomes()["each/0"] == one.outcomes()["each/1"] == [CANCELLED]
    assert scheduler.failed == []


def test_who_cancels_from_outside_is_obeyed_at_a_beat(
    theatre: Callable[..., Theatre], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.running.lease.BEAT_EVERY_S", 0.0)
    one = theatre({"each/1/0": RUNNING})
    one.stage.fate = lambda name: name == "each/1/0" and one.store.put(keys.cancel("F", "r"), b"")
    assert one.scheduler().loop() == CANCELLED
    assert set(one.stage.cancelled) == {"each/1/0"}
    assert "cancelled from outside" in one.console.notes


def test_one_that_lost_its_lease_stops_and_cancels_nothing(
    theatre: Callable[..., Theatre], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.running.lease.BEAT_EVERY_S", 0.0)
    one = theatre({"each/1/0": RUNNING})
    another = records.encode("lease", {"token": "t", "host": "h", "pid": 1})
    one.stage.fate = lambda name: name == "each/1/0" and one.store.put(keys.lease("F", "r", 2), another)
    scheduler = one.scheduler()
    scheduler.loop()
    assert scheduler.superseded
    assert one.stage.cancelled == []
    assert one.outcomes().get("each/1") is None


class Flaky(DictDatastore):
    """away: how many of the next calls find nobody."""

    away = 0

    def _reach(self) -> None:
        if self.away:
            self.away -= 1
            raise BackendUnavailable("the store is away")

    def put(self, key: str, data: Any, *, replace: bool = False) -> bool:
        self._reach()
        return super().put(key, data, replace=replace)

    def open(self, key: str, start: int = 0, length: int | None = None) -> Any:
        self._reach()
        return super().open(key, start, length)

    def list(self, prefix: str) -> Any:
        self._reach()
        return super().list(prefix)


@pytest.mark.parametrize("at", [f"{task}/0" for task in EVERY])
@pytest.mark.parametrize("fate", [SUCCEEDED, GONE])
def test_a_store_that_is_away_is_waited_for_and_nothing_is_done_twice(
    theatre: Callable[..., Theatre], at: str, fate: str
) -> None:
    store = Flaky()
    one = theatre({at: fate}, store)

    def leave(name: str) -> None:
        store.away = 7 if name == at else store.away

    one.stage.fate = leave
    assert one.scheduler(policy=Policy(1)).loop() == SUCCEEDED
    assert "waiting for the store: the store is away" in one.console.notes
    again = [f"{at[:-2]}/1"] if fate == GONE else []
    assert sorted(one.stage.submitted) == sorted([f"{task}/0" for task in EVERY] + again)


def test_a_store_that_stays_away_ends_the_loop(
    theatre: Callable[..., Theatre], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STORE_PATIENCE_S", 0.0)
    store = Flaky()
    one = theatre(store=store)

    def leave(name: str) -> None:
        store.away = 10_000 if name == "start/0/0" else 0

    one.stage.fate = leave
    with pytest.raises(BackendUnavailable):
        one.scheduler().loop()


def test_a_catalogue_or_a_log_that_refuses_stops_no_run(theatre: Callable[..., Theatre]) -> None:
    class Refusing(DatastoreCatalogue):
        def write(self, rows: Sequence[object]) -> None:
            raise BackendMisconfigured("read-only")

    class Mute(DatastoreLogSink):
        def read(self, stream: Any, start: int = 0) -> Any:
            raise BackendUnavailable("nobody answers")

    one = theatre()
    record = one.stage._record

    def with_long_output(message: Message, outcome: str) -> None:
        one.stage._record = record  # type: ignore[method-assign]
        record(message, outcome)
        key = keys.record("F", "r", message.step, message.place, message.attempt)
        long = records.decode_record(one.store.get(key), key)
        long.stdout = {"size": 100_000}
        one.store.put(key, records.encode_record(long), replace=True)

    one.stage._record = with_long_output  # type: ignore[method-assign]
    scheduler = one.scheduler(metadata=Refusing(one.store), logging=Mute(one.store))
    assert scheduler.loop() == SUCCEEDED
    assert [note.partition(":")[0] for note in one.console.notes if "printed more" in note]
    assert [note for note in one.console.notes if note.startswith("the catalogue is behind (read-only)")]


@pytest.mark.parametrize("begun_a_log", [True, False])
def test_what_a_dead_job_has_printed_is_shown_once(theatre: Callable[..., Theatre], begun_a_log: bool) -> None:
    one = theatre({"start/0/0": GONE})
    sink = DatastoreLogSink(one.store)
    if begun_a_log:
        sink.append(LogStream("F", "r", "start", "0", 0, "stdout"), 0, b"what it printed")
    one.scheduler(logging=sink).loop()
    (record,) = records.fold(records_of(one.store, "F", "r"))["start", "0"]
    if begun_a_log:
        assert one.console.printed == [b"what it printed"]
        assert record.reason == "its machine burnt down"
    else:
        assert one.console.printed == []
        assert record.reason == "its machine burnt down; its last words: what the platform kept"


@pytest.mark.parametrize("begun", range(1, len(EVERY) + 1))
def test_a_run_that_goes_on_starts_what_has_no_record_and_nothing_else(
    theatre: Callable[..., Theatre], begun: int
) -> None:
    class Killed(BaseException):
        pass

    def kill(_: str) -> None:
        if len(first.stage.submitted) == begun:
            raise Killed

    first = theatre()
    first.stage.fate = kill
    with pytest.raises(Killed):
        first.scheduler(max_workers=1).loop()
    first.lease.release()
    done = {f"{task}/0" for task, found in first.outcomes().items() if found == [SUCCEEDED]}
    second = theatre(store=first.store)
    known, past = known_of(records_of(first.store, "F", "r"))
    again = second.scheduler(known=known, past=past, continues=True)
    assert again.loop() == SUCCEEDED
    assert sorted(second.stage.submitted) == sorted({f"{task}/0" for task in EVERY} - done)
    assert again.reused == len(done - {f"{PARAMETERS_STEP}/0/0"})


class AwayAt(DictDatastore):
    """Does not answer the n-th call of all that ask for a node's key."""

    at, asked = 0, 0

    def _ask(self, key: str) -> None:
        if "/each/" not in key:
            return
        self.asked += 1
        if self.asked == self.at:
            raise BackendUnavailable("away")

    def put(self, key: str, source: Any, **options: Any) -> bool:
        self._ask(key)
        return super().put(key, source, **options)

    def exists(self, key: str) -> bool:
        self._ask(key)
        return super().exists(key)


@pytest.mark.parametrize("starts_once", [False, True])
def test_a_gang_outlives_a_store_that_is_away_while_it_is_started(
    theatre: Callable[..., Theatre], starts_once: bool
) -> None:
    """At whichever call: after a scheduler's death one node is an attempt ahead of the others, which are given up."""
    at = asked = 0
    while at <= asked:
        at += 1
        one = theatre(store=AwayAt())
        one.stage.runs_gangs, one.stage.starts_once = True, starts_once
        ahead = Record(flow="F", run="r", step="each", place="1", attempt=0, outcome=CANCELLED, token="t")
        records.claim_record(one.stage.store, ahead)
        one.store.at = at
        _, past = known_of(records_of(one.stage.store, "F", "r"))
        scheduler = one.scheduler(continues=True, past=past)
        assert scheduler.loop() == SUCCEEDED, at
        assert {outcomes[-1] for outcomes in one.outcomes().values()} == {SUCCEEDED}, at
        asked = one.store.asked
        one.lease.release()
    assert at > WIDTH
