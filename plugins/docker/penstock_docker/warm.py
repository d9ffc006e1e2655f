"""Warm containers: one host for each image, options, variables and resources, spoken to over its attached streams.

A host in a container is the host of a laptop; only the stream is another one. One thread of ours speaks to all of them.
Where a step declares what it needs, its container runs one task at a time, so that the limits are each task's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import secrets
import select
import threading
from collections import defaultdict, deque
from functools import partial

from penstock.contracts.executor import JobState, JobStatus
from penstock.errors import BackendError
from penstock_docker import ending
from penstock_docker.ending import Fate
from penstock_docker.engine import said_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from penstock.contracts.executor import Job
    from penstock.contracts.host import ByteStream, HostElsewhere
    from penstock_docker.attached import Attached
    from penstock_docker.containers import Containers
    from penstock_docker.errands import Errands

_END_S = 5.0  # a container whose host is gone ends by itself, or is ended
_UNREADABLE = "what came from its warm container was not of its host"


class _Warm:
    """A container. host: None until it is up; at_work: names of the jobs that run there; fate: what was heard of it."""

    def __init__(self, key: str, name: str) -> None:
        self.key, self.name = key, name
        self.host: HostElsewhere | None = None
        self.stream: Attached | None = None
        self.at_work: set[str] = set()
        self.fate = Fate()


class WarmContainers:
    """host_over: see `RunInfo`; tell: takes what became of a job, by name.

    `run`, `kill`, `hear` and `unseen` may be called from any thread.
    """

    def __init__(
        self,
        containers: Containers,
        errands: Errands,
        host_over: Callable[[ByteStream], HostElsewhere],
        tell: Callable[[str, JobStatus], None],
    ) -> None:
        self._containers, self._errands, self._host_over, self._tell = containers, errands, host_over, tell
        self._label = f"warm-{_hash(containers.world.run)[:16]}-{secrets.token_hex(4)}"
        self._wishes: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        self._lock = threading.Lock()
        self._closed = False
        self._warm: list[_Warm] = []
        self._waiting: defaultdict[str, deque[tuple[Job, Mapping[str, Any]]]] = defaultdict(deque)
        self._count = 0
        self._thread = threading.Thread(target=self._work, name="penstock docker warm", daemon=True)
        self._thread.start()

    def run(self, job: Job, options: Mapping[str, Any]) -> None:
        """Run an attempt in a warm container, which is made when there is none that is free."""
        self._wish("run", (job, options))

    def kill(self, name: str) -> None:
        """End an attempt."""
        self._wish("kill", name)

    def hear(self, name: str, action: str, facts: Mapping[str, str]) -> None:
        """An event of a container, perhaps of one of these."""
        for one in list(self._warm):
            if one.name == name:
                one.fate.hear(action, facts)

    def unseen(self) -> None:
        """For a while no event could be heard."""
        for one in list(self._warm):
            one.fate.unseen = True

    def close(self) -> None:
        """Let all containers go, with what runs there."""
        if self._wish("close", None):
            self._thread.join()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _wish(self, what: str, value: Any) -> bool:
        """False when nobody heeds it any more."""
        with self._lock:
            if self._closed:
                return False
            self._closed = what == "close"
            self._wishes.put((what, value))
            os.write(self._wake_write, b".")
            return True

    # -- in the thread

    def _work(self) -> None:
        going = True
        while going:
            try:
                going = self._turn()
            except Exception as error:  # noqa: BLE001 - without this thread nobody would hear of any attempt again
                self._give_up(f"the thread that talks to warm containers met {type(error).__name__}: {error}")

    def _turn(self) -> bool:
        """Wait for something, and deal with it; False once it was told to close."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        hosts = {one.host.fileno(): one for one in self._warm if one.host is not None}
        for fd in hosts:
            poll.register(fd, select.POLLIN)
        going = True
        for fd, _ in poll.poll():
            if fd in hosts:
                self._receive(hosts[fd])
            else:
                going = self._heed()
        return going

    def _give_up(self, why: str) -> None:
        """Whatever runs or waits is lost, not failed."""
        for one in list(self._warm):
            self._part(one, why)
        for waiting in self._waiting.values():
            while waiting:
                self._tell(waiting.popleft()[0].name, JobStatus(state=JobState.LOST, reason=why))

    def _heed(self) -> bool:
        """Deal with one wish; False when it was the last."""
        os.read(self._wake_read, 1)
        wish, value = self._wishes.get()
        if wish == "close":
            for one in self._warm:
                if one.host is not None:
                    one.host.close()
            return False
        if wish == "run":
            job, options = value
            key = _key(options, job)
            self._waiting[key].append((job, options))
            self._serve(key)
        elif wish == "kill":
            self._kill(value)
        elif wish == "up":
            one, one.stream = value
            one.host = self._host_over(one.stream)
            self._serve(one.key)
        elif value[0] in self._warm:
            one, status = value
            self._warm.remove(one)
            for job, _ in self._waiting.pop(one.key, ()):
                self._tell(job.name, status)
        return True

    def _serve(self, key: str) -> None:
        """Give what waits to containers that are free; make one where none is on its way."""
        waiting = self._waiting[key]
        mine = [one for one in self._warm if one.key == key]
        for one in mine:
            while waiting and one.host is not None and not (one.at_work and _alone(waiting[0][0])):
                job, _ = waiting.popleft()
                one.at_work.add(job.name)
                try:
                    one.host.start(job)
                except Exception as error:  # noqa: BLE001 - as in `_receive`
                    self._part(one, f"{_UNREADABLE}: {said_by(error)}")
                    break
        coming = sum(one.host is None for one in mine)
        wanted = len(waiting) if waiting and _alone(waiting[0][0]) else min(len(waiting), 1)
        for _ in range(wanted - coming):
            self._count += 1
            one = _Warm(key, f"{self._label}-{self._count}")
            self._warm.append(one)
            self._errands.do(partial(self._bring_up, one, *waiting[0]), partial(self._could_not, one))

    def _kill(self, name: str) -> None:
        for waiting in self._waiting.values():
            for job, options in [one for one in waiting if one[0].name == name]:
                waiting.remove((job, options))
                self._tell(name, ending.CANCELLED)
        for one in list(self._warm):
            if name in one.at_work and one.host is not None:
                try:
                    one.host.kill(name)
                except Exception as error:  # noqa: BLE001 - as in `_receive`
                    self._part(one, f"{_UNREADABLE}: {said_by(error)}")

    def _receive(self, one: _Warm) -> None:
        """What a host has to say. Whatever is wrong with it costs its attempts, and nobody else's."""
        if one.host is None:
            return
        try:
            for event in one.host.events():
                one.at_work.discard(event.name)
                good = event.exit_code == 0
                state = JobState.SUCCEEDED if good else JobState.FAILED
                reason = event.reason or ("" if good else f"its process ended with exit code {event.exit_code}")
                self._tell(event.name, JobStatus(state=state, exit_code=event.exit_code, reason=reason))
        except Exception as error:  # noqa: BLE001 - a thread that dies would leave the run waiting for ever
            self._part(one, f"{_UNREADABLE}: {said_by(error)}")
        else:
            if one.host.gone:
                self._part(one)
        self._serve(one.key)

    def _part(self, one: _Warm, why: str = "") -> None:
        """From a container whose host is gone, or (why) can't be talked to."""
        if one not in self._warm:
            return  # it was parted from already
        self._warm.remove(one)
        if one.host is not None:
            one.host.close()
        lost, one.at_work = one.at_work, set()
        self._errands.do(partial(self._bury, one, lost, why), partial(self._could_not_bury, lost))

    # -- in a thread that waits for the engine

    def _bring_up(self, one: _Warm, job: Job, options: Mapping[str, Any]) -> None:
        """A container that serves the host of many attempts. Also after a try that the engine did not live to see."""
        containers = self._containers
        image = containers.image(options)
        host = job.changed(name=one.name, command=job.host_command, pathspec="")
        containers.remove(one.name)
        containers.make(host, options, image, speaks=True)
        try:
            stream = containers.converse(one.name, job.secrets, image)
        except Exception:
            with contextlib.suppress(BackendError):  # what went wrong is told, and `sweep` removes it
                containers.remove(one.name)
            raise
        if not self._wish("up", (one, stream)):
            stream.close()

    def _could_not(self, one: _Warm, error: Exception) -> None:
        """Every job that waits for it hears of it."""
        self._wish("down", (one, ending.refused(error)))

    def _bury(self, one: _Warm, lost: set[str], why: str) -> None:
        """What the end of a warm container means for the attempts that ran there."""
        if why:
            status = JobStatus(state=JobState.LOST, reason=why)
        else:
            self._containers.wait(one.name, _END_S)
            tail = b"" if one.stream is None else one.stream.tail
            status = ending.of_host(self._containers.look(one.name), one.fate, tail)
        for name in lost:
            self._tell(name, status)
        self._containers.remove(one.name)

    def _could_not_bury(self, lost: set[str], error: Exception) -> None:
        for name in lost:
            reason = f"the engine did not say what became of its warm container: {said_by(error)}"
            self._tell(name, JobStatus(state=JobState.LOST, reason=reason))


def _alone(job: Job) -> bool:
    """Whether the container that runs it runs nothing else meanwhile."""
    needs = job.resources
    return any(amount is not None for amount in (needs.cpu, needs.memory_mb, needs.gpu, needs.shared_memory_mb))


def _key(options: Mapping[str, Any], job: Job) -> str:
    """The same for jobs that may share a container."""
    needs = job.resources
    amounts = (needs.cpu, needs.memory_mb, needs.gpu, needs.shared_memory_mb)
    return _hash(json.dumps([dict(options), dict(job.environment), dict(job.secrets), amounts], sort_keys=True))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
