"""The loop of a run: ready tasks become jobs, ended jobs become records, records make further tasks ready.

It decides nothing by itself: `plan.py` says what is ready and what an attempt's end means, `records.py` what is true.
"""

from __future__ import annotations

import os
import time
from collections import deque

from penstock.contracts.executor import Gang, JobState
from penstock.contracts.logsink import LogStream
from penstock.contracts.reach import Reach
from penstock.errors import BackendUnavailable, KeyMissing, together
from penstock.running import gang_commit, plan
from penstock.running.backlog import Backlog
from penstock.running.copies import AttemptCopies
from penstock.running.gangs import Gangs, outcome_of
from penstock.running.jobs import ENDED, REJECTED, REMARK, TAIL
from penstock.running.live_output import LiveOutput
from penstock.running.orders import Orders, job_name
from penstock.running.plan import Plan
from penstock.running.spool import RecordSpool
from penstock.running.wishes import FAIL_FAST, FINISH
from penstock.storage import keys, records
from penstock.values import CANCELLED, FAILED, LOST, PARAMETERS_STEP, SUCCEEDED, Pathspec, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Protocol

    from penstock.authoring.graph import Graph
    from penstock.contracts.datastore import Datastore
    from penstock.contracts.executor import JobStatus
    from penstock.contracts.logsink import LogSink
    from penstock.contracts.metadata import MetadataStore
    from penstock.observers import Observers
    from penstock.running.gangs import Nodes
    from penstock.running.jobs import JobEvent, Jobs
    from penstock.running.launches import Launches
    from penstock.running.lease import Lease
    from penstock.running.placement import StepPlan
    from penstock.running.plan import Ready
    from penstock.running.wake import Wake
    from penstock.storage.keys import At

    class Console(Protocol):
        """What the loop tells people; `cli/console.py` has the one that prints. live: it shows output as it comes."""

        live: bool

        def task_started(self, pathspec: Pathspec) -> None: ...
        def output(self, step: str, place: str, stream: str, data: bytes) -> None: ...
        def task_ended(self, record: Record, will_retry: bool) -> None: ...
        def note(self, text: str) -> None: ...


WAIT_S = 0.25  # how long the loop waits for an event before it looks at the clock and at signals
REMOTE_LOOK_S = 2.0  # how often a task whose record another copy owes is looked at
LIST_EVERY_S = 60.0
SILENT_AFTER_S = 180.0  # six beats of a host elsewhere
STORE_PATIENCE_S, STOP_PATIENCE_S, STORE_AGAIN_S = 600.0, 10.0, 2.0  # with a store that does not answer
GANG_PATIENCE_S = 30.0  # for the platform to say which node of a gang it lost, and for the others to end
DRIVER = "driver"  # writer of a record for an attempt that is given up: it does not know what that has printed
DEFAULT_DELAY_ELSEWHERE_S = 120.0  # before a retry, where the user wrote none; here there is nothing to wait for


class _Running:
    """An attempt on its way. look_at: when to look for its record, where no job of ours will tell; 0 while one will.

    awaited: the origin's attempt that is awaited in place of a job; verdict: what the end of its job means; reason,
    hint: in the platform's words; nodes: those that it runs beside.
    """

    __slots__ = (
        "attempt", "awaited", "executor", "hint", "look_at", "name", "nodes", "ready", "reason", "verdict",
    )  # fmt: skip

    def __init__(
        self, ready: Ready, attempt: plan.Attempt, name: str, executor: str, awaited: At | None = None
    ) -> None:
        self.ready, self.attempt, self.name, self.executor, self.awaited = ready, attempt, name, executor, awaited
        self.look_at = 0.0
        self.nodes: Nodes | None = None
        self.verdict = self.reason = self.hint = ""


class Scheduler:
    """Drives one run.

    known: the successes that stand already, by task: of this run (`continue`) and taken from an origin
    (`resume`). past: what is remembered of attempts without success.
    launches: how jobs elsewhere are started, where there are some.
    continues: another scheduler was here before, and may have left jobs or halves of attempts.
    """

    def __init__(
        self,
        *,
        graph: Graph,
        run: str,
        datastore: Datastore,
        metadata: MetadataStore,
        logging: LogSink,
        observers: Observers,
        jobs: Mapping[str, Jobs],
        wake: Wake,
        steps: Mapping[str, StepPlan],
        lease: Lease,
        console: Console,
        max_workers: int,
        on_failure: str = FINISH,
        given: Mapping[str, str] | None = None,
        known: Mapping[tuple[str, str], Record] | None = None,
        past: Mapping[tuple[str, str], plan.Past] | None = None,
        awaited: Mapping[tuple[str, str], At] | None = None,
        launches: Launches | None = None,
        on_launched: Callable[[], None] = lambda: None,
        on_parameters: Callable[[], None] = lambda: None,
        continues: bool = False,
    ) -> None:
        self.flow, self.run_id, self.graph = graph.name, run, graph
        self.datastore, self.jobs, self.steps = datastore, jobs, steps
        self._copies = AttemptCopies(metadata, console.note)
        self.spool = RecordSpool(datastore)
        self._orders = Orders(
            graph=graph, run=run, datastore=datastore, spool=self.spool, given=given or {}, launches=launches
        )
        self.wake = wake
        self.logging, self.observers = logging, observers
        self.lease, self.console, self.max_workers, self.on_failure = lease, console, max_workers, on_failure
        self._known = dict(known or {})
        self._past: dict[tuple[str, str], plan.Past] = dict(past or {})
        self._on_launched, self._on_parameters = on_launched, on_parameters
        self._continues = continues
        self._live = LiveOutput(logging, wake.call)
        self._plan = Plan(graph)
        self._backlog, self._gangs = Backlog(), Gangs()
        self._running: dict[str, _Running] = {}
        self._awaited = dict(awaited or {})
        self._heard: deque[tuple[str, JobEvent]] = deque()  # not understood yet
        self._ended: dict[str, tuple[_Running, JobStatus]] = {}  # by name; their records are not read yet
        self._away_since_s: float | None = None  # since when the store does not answer
        self._listed_at = time.monotonic()
        self._constants: str | None = None
        self._stopped = False  # nothing new is launched
        self._asked_to_stop = False
        self._stopping = False  # what runs is cancelled
        self.cancelled = False
        self.superseded = False  # another scheduler drives the run
        self.failed: list[Pathspec] = []
        self.counts = {SUCCEEDED: 0, FAILED: 0, LOST: 0, CANCELLED: 0}
        self.reused = 0

    # -- the loop

    def loop(self) -> str:
        """Run to the end; returns the outcome. `please_stop` may be called from a signal handler in between."""
        try:
            self._backlog.add(self._unknown(self._plan.begin()))
            self._reaches_store(self._launch)
            self._on_launched()
            while self._running or self._is_waited_for:
                if not self.lease.beat():
                    self.superseded = True  # what runs elsewhere is the other scheduler's now
                    break
                reached = True
                for part in (self._wait, self._obey, self._launch):
                    reached &= self._reaches_store(part)
                if reached:
                    self._away_since_s = None
        finally:
            self._live.close()
            self._copies.write()
        return plan.run_outcome(self._plan.finished, self.cancelled, self.failed)

    @property
    def _is_waited_for(self) -> bool:
        """Whether a task shall start though none runs: after its delay, or once the store answers."""
        return not self._stopped and (self._backlog.moment_s is not None or self._away_since_s is not None)

    def _reaches_store(self, part: Callable[[], None]) -> bool:
        """Do a part of a turn; False when the store did not answer. What was begun is done again then, a little later.

        Raises BackendUnavailable when it has not answered for ten minutes, or for a few seconds while the run stops.
        """
        try:
            part()
        except BackendUnavailable as error:
            now = time.monotonic()
            if self._away_since_s is None:
                self._away_since_s = now
                self.console.note(f"waiting for the store: {error}")
            if now - self._away_since_s > (STOP_PATIENCE_S if self._asked_to_stop else STORE_PATIENCE_S):
                raise
            self.wake.wait(STORE_AGAIN_S)
            return False
        return True

    def task_of(self, job: str) -> tuple[str, str] | None:
        """Step and place of a job that runs."""
        running = self._running.get(job)
        return None if running is None else running.ready.task

    @property
    def begun(self) -> bool:
        """Whether the parameters are known."""
        return self._constants is not None

    def please_stop(self) -> None:
        """For signal handlers: the loop stops at its next turn."""
        self._asked_to_stop = True
        self.wake.call()

    def stop(self) -> None:
        """Launch nothing more, cancel what runs, and end as cancelled."""
        self.cancelled = True
        self._stop_all()

    def _stop_all(self) -> None:
        self._stopped = self._stopping = True
        self._forget_ready()
        for executor, names in self._names_by_executor().items():
            self.jobs[executor].cancel(names)
        for running in list(self._running.values()):
            if running.awaited:
                del self._running[running.name]  # another run's job: not ours to end
            elif running.look_at and running.name in self._running:
                self._give_up(running, CANCELLED, "cancelled")  # no job of ours will tell when the copy is gone

    def _forget_ready(self) -> None:
        self._backlog.clear()
        self._gangs.clear()

    def _names_by_executor(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for running in self._running.values():
            if not running.awaited:
                found.setdefault(running.executor, []).append(running.name)
        return found

    def _obey(self) -> None:
        if self._asked_to_stop and not self.cancelled:
            self.stop()
        if not self.cancelled and self.lease.just_beat and self._is_asked_to_end():
            self.console.note("cancelled from outside")
            self.stop()

    def _is_asked_to_end(self) -> bool:
        try:
            return self.datastore.exists(keys.cancel(self.flow, self.run_id))
        except BackendUnavailable:
            return False  # the next beat is the next look

    # -- ready tasks

    def _unknown(self, found: Iterable[Ready]) -> Iterator[Ready]:
        """What became ready; in place of what has a record already, which needs no job, comes what that made ready."""
        stack = [iter(found)]
        while stack:
            ready = next(stack[-1], None)
            if ready is None:
                stack.pop()
                continue
            record = self._known.pop(ready.task, None) if self._known else None
            if record is None:
                yield ready
                continue
            self.reused += ready.step != PARAMETERS_STEP
            if self._in_gang(ready):
                self._gangs.succeeded(ready)
            stack.append(self._succeed(ready, record, records.key_of(record)))

    def _succeed(self, ready: Ready, record: Record, key: str) -> Iterator[Ready]:
        if ready.step == PARAMETERS_STEP:
            self._constants = key
            self._on_parameters()
        return self._plan.add(record, key)

    # -- launching

    def _launch(self) -> None:
        while not self._stopped:
            width = self._gangs.waiting
            if width and self._running and len(self._running) + width > self.max_workers:
                break  # what ends leaves room for all of them, and nothing else takes that
            if width:
                self._start_gang(*self._gangs.next())
                continue
            ready = self._backlog.next(time.monotonic()) if len(self._running) < self.max_workers else None
            if ready is None:
                break
            if self._in_gang(ready):
                self._backlog.add(self._gangs.add(ready))
            else:
                self._start(ready)

    def _start(self, ready: Ready) -> None:
        step = self.steps[ready.step]
        attempt = plan.next_attempt(self._past.get(ready.task), step.policy)
        if attempt is None:
            self._fail(ready, "its attempts are used up")
            return
        name = job_name(self.flow, self.run_id, ready.step, ready.place, attempt.number)
        jobs = self.jobs[step.executor]
        running = _Running(ready, attempt, name, step.executor, self._awaited.pop(ready.task, None))
        self._running[name] = running
        if running.awaited:
            running.look_at = time.monotonic()
            return
        try:
            if self._continues and jobs.executor.starts_once and self._has_printed(running):
                # Its number can't stand for other output.
                self._give_up(running, LOST, "its scheduler died", plan.SUCCESSOR)
                return
            job = self._orders.job(ready, attempt, step, jobs.executor, self._constants)
        except BackendUnavailable:
            del self._running[name]
            self._backlog.add([ready])
            raise
        jobs.start(job, adopt=self._continues and not jobs.executor.starts_once)
        self._say_started(running)

    def _say_started(self, running: _Running) -> None:
        if self.console.live and not self.jobs[running.executor].executor.uses_hosts:
            self._live.follow(running.name, self._at(running))
        pathspec = Pathspec(*self._at(running))
        self.observers.attempt_started(pathspec, running.executor)
        if running.ready.step != PARAMETERS_STEP:
            self.console.task_started(pathspec)

    def _has_printed(self, running: _Running) -> bool:
        """Whether an attempt of this number left output in the log sink: then a dead scheduler had started it."""
        return any(
            next(self.logging.read(LogStream(*self._at(running), source)), b"") for source in ("stdout", "stderr")
        )

    # -- waiting and settling

    def _wait(self) -> None:
        timeout_s = WAIT_S
        if self._backlog.moment_s is not None:
            timeout_s = min(timeout_s, max(0.0, self._backlog.moment_s - time.monotonic()))
        names = self._names_by_executor()
        here = [jobs for name, jobs in self.jobs.items() if name in names and jobs.executor.uses_hosts]
        if not here:
            self.wake.wait(timeout_s)
        for name, jobs in self.jobs.items():
            self._heard += [(name, event) for event in jobs.events(timeout_s / len(here) if jobs in here else 0.0)]
        for printed in self._live.news():
            self.console.output(*printed)
        while self._heard:
            self._hear(*self._heard[0])
            self._heard.popleft()
        self._end()
        self._look()
        self._end_broken()

    def _hear(self, executor: str, event: JobEvent) -> None:
        if event.kind == REMARK:
            self.console.note(f"{executor}: {event.text}")
        running = self._running.get(event.name)
        if running is None:
            return  # settled already, by its record
        if event.kind == ENDED and event.status is not None:
            self._ended.setdefault(running.name, (running, event.status))
        elif event.kind == REJECTED:
            del self._running[running.name]
            self._live.end(running.name)
            self._fail(running.ready, event.text)
        elif event.kind == TAIL:
            last = event.text.strip()
            if last and self._has_printed(running):
                last = ""  # it is shown with the record
            reason = f"{running.reason}; its last words: {last}" if last else running.reason
            self._give_up(running, running.verdict, together(reason, running.hint))

    def _end(self) -> None:
        """Jobs that are over; their records are read together, as many as have ended at once."""
        ended = list(self._ended.values())
        found = self.datastore.get_many([keys.record(*self._at(running)) for running, _ in ended]) if ended else ()
        for (running, status), (_, raw) in zip(ended, found, strict=True):
            if running.name in self._running:  # else what came before it has settled it
                self._end_one(running, status, raw)
            del self._ended[running.name]

    def _end_one(self, running: _Running, status: JobStatus, raw: bytes | None) -> None:
        verdict = plan.reconcile(status.state is JobState.LOST, status.exit_code, raw is not None)
        if verdict == plan.WATCH:
            running.look_at = time.monotonic() + REMOTE_LOOK_S
        elif raw is not None:
            self._settle(running, raw)
        else:
            code = "" if status.exit_code is None else f" with exit code {status.exit_code}"
            running.verdict, running.hint = verdict, status.hint
            running.reason = status.reason or f"the job ended{code} and without a result"
            self._without_record(running)

    def _without_record(self, running: _Running) -> None:
        """Ask the platform for what the job said, where it keeps that: our own log may never have begun."""
        jobs = self.jobs[running.executor]
        if jobs.executor.uses_hosts or self._stopping:
            self._give_up(running, running.verdict, together(running.reason, running.hint))
        else:
            jobs.ask_tail(running.name)

    def _look(self) -> None:
        """After attempts that no job of ours will tell of; and once a minute after all that are elsewhere."""
        now = time.monotonic()
        for running in [one for one in self._running.values() if one.look_at and now >= one.look_at]:
            if running.name not in self._running:
                continue  # what came before it has stopped the run
            running.look_at = now + REMOTE_LOOK_S
            if running.awaited is not None:
                self._look_at_origin(running, running.awaited)
                continue
            raw = self._read(keys.record(*self._at(running)))
            if raw is not None:
                self._settle(running, raw)
            elif self._silence_s(*self._at(running)) > SILENT_AFTER_S:
                self._give_up(running, LOST, f"the copy that owns the attempt is silent for {SILENT_AFTER_S:.0f} s")
        if now >= self._listed_at + LIST_EVERY_S:
            self._listed_at = now
            self._list()

    def _list(self) -> None:
        """One listing finds the records of jobs elsewhere whose end the platform has not told yet."""
        names = {
            keys.record(*self._at(running)): running
            for running in self._running.values()
            if not running.awaited and not self.jobs[running.executor].executor.uses_hosts
        }
        if names:
            there = [key for key in records.list_records(self.datastore, self.flow, self.run_id) if key in names]
            for key, raw in self.datastore.get_many(there):
                if raw is not None and names[key].name in self._running:
                    self._settle(names[key], raw)

    def _look_at_origin(self, running: _Running, at: At) -> None:
        """Take what a job of a dead origin has finished; start a job of our own once it failed or is silent."""
        key = keys.record(*at)
        raw = self._read(key)
        if raw is None and self._silence_s(*at) <= SILENT_AFTER_S:
            return
        record = None if raw is None else records.decode_record(raw, key)
        if record is not None and record.outcome == SUCCEEDED:
            record.run, record.attempt, record.refers = self.run_id, running.attempt.number, key
            record.token = records.new_token()
            self.reused += 1
            self._settle(running, records.encode_record(records.claim_record(self.datastore, record)[1]))
        else:
            del self._running[running.name]
            self._backlog.add([running.ready])

    def _at(self, running: _Running) -> At:
        return self.flow, self.run_id, running.ready.step, running.ready.place, running.attempt.number

    def _silence_s(self, *at: Any) -> float:
        found = [self.datastore.stat(keys.beat(*at)), self.datastore.stat(keys.owner(*at))]
        return min((stat.age_s for stat in found if stat is not None), default=0.0)

    def _read(self, key: str) -> bytes | None:
        try:
            return self.datastore.get(key)
        except KeyMissing:
            return None

    def _give_up(self, running: _Running, outcome: str, reason: str, writer: str = DRIVER) -> None:
        """Claim the attempt for nobody, then its record; whatever the second claim returns is the truth."""
        at = self._at(running)
        jobs = self.jobs[running.executor]
        token = records.new_token()
        if not jobs.executor.starts_once:
            records.claim(self.datastore, keys.owner(*at), "owner", {"token": token, "host": "", "nobody": True})
        if self._stopping or (outcome == FAILED and running.nodes in self._gangs.broken):
            outcome = CANCELLED
        record = Record(
            flow=self.flow, run=self.run_id, step=at[2], place=at[3], attempt=at[4], outcome=outcome, token=token,
            writer=writer, reason=reason, started_s=time.time(), ended_s=time.time(), host=os.uname().nodename,
            parents=running.ready.parents if len(running.ready.parents) == 1 else (),
            handler=running.attempt.handler is not None,
        )  # fmt: skip
        won, standing = gang_commit.claim(self.datastore, record, running.ready.nodes if running.nodes else None)
        if won and not jobs.executor.starts_once:
            jobs.cancel([running.name])
        self._settle(running, records.encode_record(standing))

    def _settle(self, running: _Running, raw: bytes) -> None:
        """Go on from a record: this is where a task's attempt is over."""
        key = keys.record(*self._at(running))
        record = records.decode_record(raw, key)
        self.spool.keep(key, raw)
        del self._running[running.name]
        self._copies.add(record, raw)
        ready = running.ready
        self.counts[record.outcome] += ready.step != PARAMETERS_STEP
        self.jobs[running.executor].forget(running.name)
        if not self.jobs[running.executor].executor.uses_hosts and not running.awaited:
            self._show_stored(record, self._live.end(running.name))
        if record.outcome == SUCCEEDED:
            self._past.pop(ready.task, None)
            self._settle_node(running, record)
            self.observers.attempt_finished(record, False)
            if ready.step != PARAMETERS_STEP:
                self.console.task_ended(record, False)
            if not self._stopped or ready.step == PARAMETERS_STEP:
                following = self._unknown(self._succeed(ready, record, records.key_of(record)))
                if (record.transition or {}).get("kind") in ("foreach", "parallel"):
                    self._backlog.add_wide(following)
                else:
                    self._backlog.add(following)
            elif (record.transition or {}).get("kind") == "end":
                self._plan.finished = True
            return
        past = self._past.setdefault(ready.task, plan.Past())
        past.add(record)
        if running.nodes is None:
            self._decide([(ready, record)])
        else:
            self._settle_node(running, record)

    def _decide(self, ended: Sequence[tuple[Ready, Record]]) -> None:
        """A task that ended without success, or all nodes of a gang that did: is there another attempt?"""
        step = self.steps[ended[0][0].step]
        past = plan.together([self._past[ready.task] for ready, _ in ended])
        again = None if self._stopped else plan.next_attempt(past, step.policy)
        for ready, record in ended:
            self.observers.attempt_finished(record, again is not None)
            self.console.task_ended(record, again is not None)
            if again is None and record.outcome != CANCELLED:
                self._fail(ready)
        if again is not None:
            self._retry([ready for ready, _ in ended], outcome_of(ended), step, again)

    def _show_stored(self, record: Record, shown: Mapping[str, int]) -> None:
        """What a job elsewhere printed: it comes with its record, or lies in the log sink. shown: how much was shown
        while it ran."""
        for source, fact in (("stdout", record.stdout), ("stderr", record.stderr)):
            if fact is None and record.writer not in (DRIVER, plan.SUCCESSOR):
                continue
            if fact is not None and "text" in fact:
                last = fact["text"].encode("utf-8", "surrogateescape")
                missing = min(len(last), fact["size"] - shown[source])
                self.console.output(record.step, record.place, source, last[len(last) - missing :])
                continue
            stream = LogStream(self.flow, self.run_id, record.step, record.place, record.attempt, source)
            try:
                for piece in self.logging.read(stream, shown[source]):
                    self.console.output(record.step, record.place, source, piece)
            except BackendUnavailable as error:  # output never stops a run
                self.console.note(f"{record.pathspec} printed more: {error}; flow logs {record.pathspec}   # later")

    def _retry(self, some: Sequence[Ready], outcome: str, step: StepPlan, again: plan.Attempt) -> None:
        delay_s = step.policy.delay_s
        if delay_s is None:
            elsewhere = self.jobs[step.executor].executor.jobs_at is Reach.ANYWHERE
            delay_s = DEFAULT_DELAY_ELSEWHERE_S if elsewhere else 0.0
        if outcome != FAILED or again.handler is not None or delay_s <= 0:
            self._backlog.add(some)
        else:
            for ready in some:
                self._backlog.add_later(ready, time.monotonic() + delay_s)

    def _fail(self, ready: Ready, why: str = "") -> None:
        """A task has failed for good. why: where no record tells it."""
        self.failed.append(Pathspec(self.flow, self.run_id, ready.step, ready.place))
        if why:
            self.console.note(f"{ready.step}/{ready.place}: {why}")
        if self.on_failure == FAIL_FAST:
            self._stop_all()
        elif self.on_failure == FINISH:
            self._stopped = True
            self._forget_ready()

    # -- gangs

    def _in_gang(self, ready: Ready) -> bool:
        """Whether it runs beside other nodes; where the executor can't do that they are tasks like any others."""
        executor = self.jobs[self.steps[ready.step].executor].executor
        return ready.nodes is not None and executor.runs_gangs and not self._gangs.of(ready).apart

    def _start_gang(self, nodes: Nodes, some: Sequence[Ready]) -> None:
        """Hand them over together: alone they may be more than `--max-workers`."""
        step = self.steps[some[0].step]
        attempt = plan.next_attempt(plan.together([self._past.get(ready.task) for ready in some]), step.policy)
        if attempt is None:
            for ready in some:
                self._fail(ready, "its attempts are used up")
            return
        started = [self._node(ready, nodes, step, attempt) for ready in some]
        for running in started:
            self._running[running.name] = running
            nodes.running.add(running.name)
        jobs = self.jobs[step.executor]
        seats = [Gang(lead=started[0].name, index=index, size=len(started)) for index in range(len(started))]
        try:
            if self._catch_up(nodes, started, attempt):
                return
            made = [
                self._orders.job(running.ready, attempt, step, jobs.executor, self._constants, seat)
                for running, seat in zip(started, seats, strict=True)
            ]
        except BackendUnavailable:
            self._put_back(nodes, started)
            raise
        jobs.start(*made, adopt=self._continues and not jobs.executor.starts_once)
        for running in started:
            self._say_started(running)

    def _catch_up(self, nodes: Nodes, started: Sequence[_Running], attempt: plan.Attempt) -> bool:
        """Give up what a scheduler's death left behind: all have one number. Whether there was any."""
        behind = [one for one in started if one.attempt.number < attempt.number]
        if not behind and self._continues and any(map(self._has_begun, started)):
            behind = list(started)
        if behind:
            for running in behind:
                self._give_up(running, CANCELLED, "its gang is broken", plan.SUCCESSOR)
            self._put_back(nodes, started)
        return bool(behind)

    def _put_back(self, nodes: Nodes, started: Sequence[_Running]) -> None:
        """Those that were not handed over wait again, and for them those whose end is settled meanwhile."""
        waiting = [one for one in started if self._running.pop(one.name, None) is not None]
        nodes.running.difference_update([one.name for one in waiting])
        self._backlog.add([one.ready for one in waiting])
        self._gangs.broken.pop(nodes, None)
        if nodes.ended:
            self._decide(nodes.take_ended())

    def _node(self, ready: Ready, nodes: Nodes, step: StepPlan, attempt: plan.Attempt) -> _Running:
        number = self._past[ready.task].total if ready.task in self._past else 0
        own = attempt if number == attempt.number else plan.Attempt(number, last=False)
        name = job_name(self.flow, self.run_id, ready.step, ready.place, number)
        running = _Running(ready, own, name, step.executor)
        running.nodes = nodes
        return running

    def _has_begun(self, running: _Running) -> bool:
        """Whether a dead scheduler had started it, where what it started has died with it."""
        here = self.jobs[running.executor].executor.starts_once
        return here and (self._has_printed(running) or self.datastore.exists(keys.staged(*self._at(running))))

    def _settle_node(self, running: _Running, record: Record) -> None:
        """A node ended: those that have not succeeded go on together, once none of them runs."""
        nodes = running.nodes
        if nodes is None:
            return
        nodes.settle(running.name, running.ready, record)
        if record.outcome == SUCCEEDED:
            self._gangs.succeeded(running.ready)
        else:
            # elsewhere the cause may be a node whose loss the platform has yet to tell
            patient = record.outcome == FAILED and self.jobs[running.executor].executor.jobs_at is Reach.ANYWHERE
            self._gangs.broke(nodes, time.monotonic() + (GANG_PATIENCE_S if patient else 0.0))
        if not nodes.running:
            self._gangs.broken.pop(nodes, None)
            if nodes.ended:
                self._decide(nodes.take_ended())

    def _end_broken(self) -> None:
        now = time.monotonic()
        for nodes in [one for one, moment_s in self._gangs.broken.items() if now >= moment_s]:
            self._gangs.broken[nodes] = now + GANG_PATIENCE_S
            for executor, names in self._names_by_executor().items():
                self.jobs[executor].cancel(nodes.running.intersection(names))
