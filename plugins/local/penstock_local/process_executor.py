"""Tasks as processes of this machine: the hosts that core gives to the run fork them, this decides when."""

from __future__ import annotations

import signal
import time
from collections import deque

from penstock.contracts.executor import Executor, Job, JobState, JobStatus, Mount, RunInfo
from penstock.contracts.finding import Finding
from penstock.contracts.reach import Reach
from penstock.errors import BackendMisconfigured, BackendUnavailable, JobRejected, PenstockError
from penstock.values import Resources
from penstock_local import machine
from penstock_local.admission import Admission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.contracts.host import HostEvent, Hosts

_QUEUED = JobStatus(state=JobState.QUEUED)
_RUNNING = JobStatus(state=JobState.RUNNING)
_SUCCEEDED = JobStatus(state=JobState.SUCCEEDED, exit_code=0)
_UNKNOWN = JobStatus(state=JobState.LOST, reason="this executor has never started it")


class ProcessExecutor(Executor):
    """A job's handle is its name. It starts when the machine has what the step declared, in the order of submission.

    cpus, memory_mb, gpus: how much of the machine jobs may claim, None for all of it.
    """

    jobs_at = Reach.HOST
    starts_once = True
    uses_hosts = True
    runs_gangs = True
    poll_interval_s = 0.25

    def __init__(
        self,
        run: RunInfo,
        cpus: float | None = None,
        memory_mb: int | None = None,
        gpus: int | None = None,
    ) -> None:
        super().__init__(run)
        capacity = {
            "cpu": machine.cores() if cpus is None else cpus,
            "memory_mb": machine.memory_mb() if memory_mb is None else memory_mb,
            "gpu": machine.gpus() if gpus is None else gpus,
        }
        self._admission = Admission(capacity, run.note)
        self._waiting: deque[Job] = deque()
        self._states: dict[str, JobStatus] = {}

    @property
    def max_workers(self) -> int:
        """One job a core."""
        return machine.cores()

    @property
    def _hosts(self) -> Hosts:
        if self.run.hosts is None:
            raise BackendMisconfigured(f"{type(self).__name__} runs beside hosts, and the run has none")
        return self.run.hosts

    def submit(self, job: Job) -> str:
        if job.secrets:
            raise JobRejected(f"processes of this machine show their variables to its users: {', '.join(job.secrets)}")
        if job.name not in self._states:
            self._states[job.name] = _QUEUED
            self._waiting.append(job)
            try:
                self._start_waiting()
            except BaseException:
                self._forget(job.name)
                raise
        return job.name

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        until = time.monotonic() + timeout_s
        states = self._states
        if any(states.get(name, _UNKNOWN).state.ended for name in job_ids):
            until = 0.0
        while True:
            found = self._hosts.events(max(0.0, until - time.monotonic()))
            ended = self._take(found)
            self._start_waiting()
            if ended or not found or time.monotonic() >= until:
                return {name: states.get(name, _UNKNOWN) for name in job_ids}

    def cancel(self, job_ids: Sequence[str]) -> None:
        asked = set(job_ids)
        waiting = {job.name for job in self._waiting if job.name in asked}
        self._waiting = deque(job for job in self._waiting if job.name not in waiting)
        for name in asked:
            if name in waiting:
                self._states[name] = JobStatus(state=JobState.FAILED, reason="cancelled before it began")
            elif name in self._states and not self._states[name].state.ended:
                self._hosts.kill(name)

    def examine(self, mounts: Sequence[Mount]) -> Iterator[Finding]:
        """What the machine has for steps that declare what they need."""
        amounts = f"{machine.cores()} cores, {machine.memory_mb():,} MB of memory, {machine.gpus()} GPUs"
        yield Finding("machine", amounts)

    def _start_waiting(self) -> None:
        """Start from the head of the queue; one that has to wait holds back only those that declare needs as well."""
        queue, self._waiting = self._waiting, deque()
        held, waits = False, set()
        while queue:
            job = queue.popleft()
            needs = _claim(job)
            declares = bool(needs.cpu or needs.memory_mb or needs.gpu)
            follows = job.gang is not None and job.gang.lead in waits
            if (held and declares) or follows or not self._admission.enter(job.name, needs):
                held = True
                waits.add(job.name)
                self._waiting.append(job)
                continue
            try:
                self._hosts.start(job)
            except PenstockError as error:
                self._admission.leave(job.name)
                if isinstance(error, BackendUnavailable):
                    self._waiting.extend([job, *queue])
                    raise
                self._states[job.name] = JobStatus(state=JobState.FAILED, reason=str(error))
                continue
            except BaseException:
                self._admission.leave(job.name)
                self._waiting.extend([job, *queue])
                raise
            self._states[job.name] = _RUNNING

    def _forget(self, name: str) -> None:
        self._states.pop(name, None)
        self._waiting = deque(job for job in self._waiting if job.name != name)

    def _take(self, events: Sequence[HostEvent]) -> bool:
        """Whether a job ended. That it began is no news: it counts as running since it was given to its host."""
        ended = False
        for event in events:
            if event.kind != "started" and event.name in self._states:
                self._states[event.name] = _status(event)
                self._admission.leave(event.name)
                ended = True
        return ended


def _claim(job: Job) -> Resources:
    """What is to be free before it starts: for the first job of a gang what all of them need, for the others nothing,
    because each of them waits for all others."""
    one, gang = job.resources, job.gang
    if gang is None:
        return one
    if gang.index:
        return Resources()
    return Resources(
        cpu=one.cpu and one.cpu * gang.size, memory_mb=one.memory_mb and one.memory_mb * gang.size,
        gpu=one.gpu and one.gpu * gang.size,
    )  # fmt: skip


def _status(event: HostEvent) -> JobStatus:
    if event.kind == "lost":
        return JobStatus(state=JobState.LOST, reason=event.reason)
    if event.exit_code == 0:
        return _SUCCEEDED
    return JobStatus(state=JobState.FAILED, exit_code=event.exit_code, reason=event.reason or _ending(event.exit_code))


def _ending(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"its process was killed by {name}"
