"""Jobs as containers. The name of a job is the name of its container, so that another process finds it.

The engine takes a tenth of a second and more to start a container, and this is called from one thread: what waits for
the engine is done by errands, `submit` only hands over. What ends is heard by one more thread, which listens to the
engine's events. A container stays until its record is read (`forget`), or the run is over (`sweep`).
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial

from penstock.contracts.executor import Executor, JobState, JobStatus
from penstock.contracts.reach import Reach
from penstock.errors import BackendUnavailable, JobRejected
from penstock_docker import ending, images, prerequisites, words
from penstock_docker.containers import Containers
from penstock_docker.ending import Fate
from penstock_docker.engine import Engine
from penstock_docker.errands import Errands
from penstock_docker.events import Events
from penstock_docker.warm import WarmContainers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.executor import Job, Mount, RunInfo
    from penstock.contracts.finding import Finding
    from penstock.errors import BackendError

_LOOK_EVERY_S = 30.0
_SETTLE_S = 60.0  # what is under way when a run ends: at most one call to the engine each
_QUEUED = JobStatus(state=JobState.QUEUED)
_RUNNING = JobStatus(state=JobState.RUNNING)
_UNKNOWN = JobStatus(state=JobState.LOST, reason="the engine has no such container")


class _Known:
    """A job of this executor. job: None where another scheduler started it; status: its last word; ours: why it is
    being ended by us; made: it has a container of its own; warm: it runs in one that serves several; until: when it
    is overdue, by the monotonic clock; `fate` collects the rest."""

    __slots__ = ("fate", "job", "made", "ours", "status", "until", "warm")

    def __init__(self, job: Job | None, status: JobStatus) -> None:
        self.job, self.status = job, status
        self.ours = ""
        self.made = self.warm = False
        self.until: float | None = None
        self.fate = Fate()

    def unwanted(self) -> bool:
        """Whether it was cancelled, perhaps meanwhile by another thread."""
        return bool(self.ours)


class DockerExecutor(Executor):
    """See the module. Options: `plugin.DockerOptions`."""

    jobs_at = Reach.HOST
    keeps_secrets = True
    poll_interval_s = 1.0

    def __init__(self, run: RunInfo, **options: Any) -> None:
        super().__init__(run)
        self._options = words.of_run(options)
        self._engine = Engine(self._options["url"])
        self._images = images.Images(self._engine, run.note)
        self._containers = Containers(self._engine, self._images, run)
        self._errands = Errands()
        self._jobs: dict[str, _Known] = {}
        self._changed = threading.Condition()
        self._events: Events | None = None
        self._warm: WarmContainers | None = None
        self._look_again = time.monotonic() + _LOOK_EVERY_S

    @property
    def max_workers(self) -> int:
        """The cores."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    # -- the contract

    def check(self, job: Job) -> None:
        """That options can be meant, the engine answers, and has or can get what containers of the step need."""
        prerequisites.check(job, self._checked(job.options), self._engine, self._images, self._containers)

    def submit(self, job: Job) -> str:
        """Hand the job to a thread that makes its container, unless it is known that it can't be."""
        if not job.command:
            raise JobRejected(f"{job.name} has no command")
        with self._changed:
            if job.name in self._jobs:
                return job.name
        options = self._checked(job.options)
        _ = self._containers.world
        self._listen()
        one = self._jobs[job.name] = _Known(job, _QUEUED)
        if options["reuse"] and job.host_command and self.run.host_over is not None:
            one.warm, one.status = True, _RUNNING
            self._warm = self._warm or WarmContainers(
                self._containers, self._errands, self.run.host_over, self._tell
            )
            self._warm.run(job, options)
        else:
            self._do(self._begin, job.name)
        return job.name

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        unknown = [name for name in job_ids if name not in self._jobs]
        if unknown:
            self.adopt(unknown)
        self._errands.again()
        self._look_at_all()
        until = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = {name: self._jobs[name].status if name in self._jobs else _UNKNOWN for name in job_ids}
                left_s = until - time.monotonic()
                if left_s <= 0 or any(status.state.ended for status in found.values()):
                    break
                self._changed.wait(left_s)
        self._end_overdue(job_ids)
        trouble = self._errands.trouble
        if trouble is not None and not any(status.state.ended for status in found.values()):
            raise trouble
        return found

    def cancel(self, job_ids: Sequence[str]) -> None:
        with self._changed:
            for name in job_ids:
                one = self._jobs.get(name)
                if one is not None and not one.status.state.ended and not one.ours:
                    self._end(name, one, "cancelled")

    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        wanted = {name for name in names if name not in self._jobs}
        if wanted:
            self._listen()
            # one that was made and never started is nobody's job yet: `submit` finds it and starts it
            there = {one["Names"][0].lstrip("/") for one in self._containers.all() if one.get("State") != "created"}
            for name in wanted & there:
                one = self._jobs[name] = _Known(None, _RUNNING)
                one.made, one.fate.unseen = True, True
                self._look(name)
        return {name: name for name in names if name in self._jobs}

    def logs(self, job_id: str) -> Iterator[bytes]:
        return self._containers.printed(job_id)

    def forget(self, job_ids: Sequence[str]) -> None:
        for name in job_ids:
            with self._changed:
                known = self._jobs.pop(name, None)
            if known is not None and known.made:
                self._do(self._containers.remove, name)

    def sweep(self) -> None:
        """Every container of the run, whoever made it, also one that is being made at this moment."""
        self._images.leave()
        self._close_warm()
        self._errands.settle(_SETTLE_S)
        for one in self._containers.all():
            self._do(self._containers.remove, one["Id"])
        self._errands.settle(_SETTLE_S)
        left = self._containers.all()
        if left:
            raise BackendUnavailable(
                f"the engine has not removed {len(left)} of its containers",
                hint=f"docker ps --all --filter label={self._containers.label}",
            )

    def examine(self, mounts: Sequence[Mount]) -> Iterator[Finding]:
        from penstock_docker.examination import examine

        options = self._checked({})
        return examine(self._engine, self._images, self._containers, options, mounts)

    def close(self) -> None:
        """Containers go on; those that were handed over are made before this returns."""
        self._images.leave()
        if self._events is not None:
            self._events.close()
        self._close_warm()
        self._errands.close()
        self._engine.close()

    def _close_warm(self) -> None:
        warm, self._warm = self._warm, None
        if warm is not None:
            warm.close()

    def _checked(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Options of a step. Raises JobRejected or BackendMisconfigured, as far as it is known that they can't be."""
        options = words.of_step(self._options, said)
        words.check(options, is_here=self._engine.is_here)
        self._images.known(options["image"], options["platform"])
        return options

    # -- in a thread that waits for the engine

    def _do(self, work: Callable[[str], None], name: str) -> None:
        self._errands.do(partial(work, name), partial(self._could_not, name))

    def _could_not(self, name: str, error: Exception) -> None:
        self._tell(name, ending.refused(error))

    def _begin(self, name: str) -> None:
        one = self._jobs.get(name)
        if one is None or one.job is None or one.unwanted():
            self._tell(name, ending.CANCELLED)
            return
        job, options = one.job, words.of_step(self._options, one.job.options)
        image = self._containers.image(options)
        if one.unwanted():  # while the image was pulled
            self._tell(name, ending.CANCELLED)
            return
        self._containers.make(job, options, image)
        one.made = True
        self._containers.start(name, job.secrets, image)
        with self._changed:
            if not one.status.state.ended:
                one.status = _RUNNING
            one.until = None if job.timeout_s is None else time.monotonic() + job.timeout_s
            unwanted = one.unwanted()
        if unwanted:  # it was told as ended already, and nobody will ask for it
            self._containers.remove(name)

    def _look(self, name: str) -> None:
        """What has become of a container. One that runs stays as it is."""
        one = self._jobs.get(name)
        if one is None or one.status.state.ended or not one.made:
            return
        status = ending.status(self._containers.look(name), one.fate, one.ours)
        if status is not None:
            self._tell(name, status)

    def _stop(self, name: str) -> None:
        self._containers.stop(name)
        self._look(name)
        one = self._jobs.get(name)
        if one is not None and not one.status.state.ended:  # it is cancelled once: nobody will ask for it again
            raise BackendUnavailable(f"the engine has not ended the container {name} yet")

    # -- what is told

    def _tell(self, name: str, status: JobStatus) -> None:
        with self._changed:
            one = self._jobs.get(name)
            if one is None or one.status.state.ended:
                return
            one.status = status
        self._ring()

    def _ring(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self.run.ring()

    def _listen(self) -> None:
        if self._events is None:
            self._events = Events(self._engine, self._containers.label, self._hear, self._deaf)

    def _hear(self, name: str, action: str, facts: Mapping[str, str]) -> None:
        """An event of a container of this run."""
        one = self._jobs.get(name)
        if one is not None:
            one.fate.hear(action, facts)
            if action == "die" and facts.get("exitCode") == "0" and not one.ours:
                self._tell(name, ending.SUCCEEDED)  # nothing else is to be known of it: a call saved for each task
            elif action in ("die", "destroy"):
                self._do(self._look, name)
        elif (warm := self._warm) is not None:
            warm.hear(name, action, facts)

    def _deaf(self, error: BackendError | None) -> None:
        """The events have stopped to come, or (None) come again: what happened in between was not heard."""
        if error is None:
            self._errands.trouble = None
            if (warm := self._warm) is not None:
                warm.unseen()
            with self._changed:
                running = [(name, one) for name, one in self._jobs.items() if not one.status.state.ended]
            for name, one in running:
                one.fate.unseen = True
                self._do(self._look, name)
        elif isinstance(error, BackendUnavailable):
            self._errands.trouble = error

    def _look_at_all(self) -> None:
        """Once in a while, whatever was heard: an event that was missed must not keep a run for ever."""
        if time.monotonic() >= self._look_again:
            self._look_again = time.monotonic() + _LOOK_EVERY_S
            with self._changed:
                running = [name for name, one in self._jobs.items() if one.status.state is JobState.RUNNING]
            for name in running:
                self._do(self._look, name)

    # -- what is ended by us

    def _end_overdue(self, names: Sequence[str]) -> None:
        now = time.monotonic()
        with self._changed:
            for name in names:
                one = self._jobs.get(name)
                if one is not None and one.until is not None and now > one.until and not one.ours and one.job:
                    self._end(name, one, f"the container ran longer than its time-out of {one.job.timeout_s:g} s")

    def _end(self, name: str, one: _Known, why: str) -> None:
        one.ours = why
        if one.warm and self._warm is not None:
            self._warm.kill(name)
        elif one.status.state is JobState.RUNNING:
            self._do(self._stop, name)
        else:
            one.status = ending.CANCELLED
            self._ring()
