"""Warm containers: one host for each image, options, variables and resources, spoken to over its attached streams.

A host in a container is the host of a laptop; only the stream is another one. One thread of ours speaks to all of them.
Where a step declares what it needs, its container runs one task at a time, so that the limits are each task's own.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import struct
import threading
from collections import defaultdict, deque

from penstock.contracts.executor import JobState, JobStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from penstock.contracts.executor import Job
    from penstock.contracts.host import ByteStream, HostElsewhere

_HEAD = struct.Struct(">BxxxI")  # stream and size. Source: Docker Engine API, ContainerAttach, stream format
_STDOUT = 1
_PIECE = 1 << 16


class Attached:
    """The attached streams of a container as one stream: what is sent is its input, what comes its output.

    tail: the last that it wrote to its error stream.
    """

    def __init__(self, attached: Any) -> None:
        self._attached = attached  # the SDK's: it keeps the connection open
        self._raw: socket.socket = getattr(attached, "_sock", attached)
        self._buffer = bytearray()
        self._left, self._of = 0, 0  # of the piece that is being read: bytes, and which stream
        self.tail = b""

    def setblocking(self, flag: bool) -> None:
        self._raw.setblocking(flag)

    def fileno(self) -> int:
        return self._raw.fileno()

    def send(self, data: bytes | memoryview) -> int:
        return self._raw.send(data)

    def recv(self, size: int) -> bytes:
        """Output only; raises BlockingIOError when none has come."""
        found = bytearray()
        ended = False
        try:
            piece = self._raw.recv(_PIECE)
            ended = not piece
            self._buffer += piece
        except ConnectionError:
            ended = True
        while self._buffer and len(found) < size:
            if not self._left:
                if len(self._buffer) < _HEAD.size:
                    break
                self._of, self._left = _HEAD.unpack_from(self._buffer)
                del self._buffer[: _HEAD.size]
            taken = bytes(self._buffer[: self._left])
            del self._buffer[: len(taken)]
            self._left -= len(taken)
            if self._of == _STDOUT:
                found += taken
            else:
                self.tail = (self.tail + taken)[-4096:]
        if not found and not ended:
            raise BlockingIOError
        return bytes(found)

    def close(self) -> None:
        """The container's input ends: its host goes."""
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)
        self._raw.close()
        self._attached.close()


class _Warm:
    """A container. host: None until it is up."""

    def __init__(self, key: Hashable, name: str) -> None:
        self.key, self.name = key, name
        self.host: HostElsewhere | None = None
        self.stream: Attached | None = None
        self.at_work: set[str] = set()


class WarmContainers:
    """start: makes, in a thread of its own, a container for a job under a name, and returns its streams; host_over: see
    `RunInfo`; tell: takes what became of a job; fate: what became of a container that went, by name.

    `run` and `kill` may be called from any thread.
    """

    def __init__(
        self,
        start: Callable[[str, Job], Attached],
        host_over: Callable[[ByteStream], HostElsewhere],
        tell: Callable[[str, JobStatus], None],
        fate: Callable[[str, bytes], JobStatus],
        in_thread: Callable[[Callable[[], None]], object],
        label: str,
    ) -> None:
        self._start, self._host_over, self._tell, self._fate = start, host_over, tell, fate
        self._in_thread, self._label = in_thread, label
        self._wishes: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        self._warm: list[_Warm] = []
        self._waiting: defaultdict[Hashable, deque[Job]] = defaultdict(deque)
        self._count = 0
        self._thread = threading.Thread(target=self._work, name="penstock docker warm", daemon=True)
        self._thread.start()

    def run(self, key: Hashable, job: Job) -> None:
        """Run an attempt in a warm container of this key, which is made when there is none that is free."""
        self._wish("run", (key, job))

    def kill(self, name: str) -> None:
        """End an attempt."""
        self._wish("kill", name)

    def close(self) -> None:
        """Let all containers go, with what runs there."""
        self._wish("close", None)
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wish(self, what: str, value: Any) -> None:
        self._wishes.put((what, value))
        os.write(self._wake_write, b".")

    # -- in the thread

    def _work(self) -> None:
        while True:
            poll = select.poll()
            poll.register(self._wake_read, select.POLLIN)
            hosts = {one.host.fileno(): one for one in self._warm if one.host is not None}
            for fd in hosts:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd in hosts:
                    self._receive(hosts[fd])
                elif not self._heed():
                    return

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
            key, job = value
            self._waiting[key].append(job)
            self._serve(key)
        elif wish == "kill":
            self._kill(value)
        elif wish == "up":
            one, stream = value
            one.stream, one.host = stream, self._host_over(stream)
            self._serve(one.key)
        else:
            one, status = value
            self._warm.remove(one)
            waiting = self._waiting.pop(one.key, deque())
            for job in waiting:
                self._tell(job.name, status)
        return True

    def _serve(self, key: Hashable) -> None:
        """Give what waits to containers that are free; make one where none is on its way."""
        waiting = self._waiting[key]
        mine = [one for one in self._warm if one.key == key]
        for one in mine:
            while waiting and one.host is not None and not (one.at_work and _alone(waiting[0])):
                job = waiting.popleft()
                one.at_work.add(job.name)
                one.host.start(job)
        coming = sum(one.host is None for one in mine)
        wanted = len(waiting) if waiting and _alone(waiting[0]) else min(len(waiting), 1)
        for _ in range(wanted - coming):
            self._make(key, waiting[0])

    def _make(self, key: Hashable, job: Job) -> None:
        self._count += 1
        one = _Warm(key, f"{self._label}-{self._count}")
        self._warm.append(one)

        def make() -> None:
            try:
                stream = self._start(one.name, job)
            except Exception as error:  # noqa: BLE001 - every job that waits for it hears of it
                said = getattr(error, "explanation", None) or str(error)
                self._wish("down", (one, JobStatus(state=JobState.FAILED, reason=str(said))))
            else:
                self._wish("up", (one, stream))

        self._in_thread(make)

    def _kill(self, name: str) -> None:
        for waiting in self._waiting.values():
            for job in [one for one in waiting if one.name == name]:
                waiting.remove(job)
                self._tell(name, JobStatus(state=JobState.FAILED, reason="cancelled before it began"))
        for one in self._warm:
            if name in one.at_work and one.host is not None:
                one.host.kill(name)

    def _receive(self, one: _Warm) -> None:
        if one.host is None or one.stream is None:
            return
        for event in one.host.events():
            one.at_work.discard(event.name)
            good = event.exit_code == 0
            state = JobState.SUCCEEDED if good else JobState.FAILED
            reason = event.reason or ("" if good else f"its process ended with exit code {event.exit_code}")
            self._tell(event.name, JobStatus(state=state, exit_code=event.exit_code, reason=reason))
        if one.host.gone:
            self._warm.remove(one)
            one.host.close()
            lost, one.at_work = one.at_work, set()
            name, tail = one.name, one.stream.tail

            def ask() -> None:
                status = self._fate(name, tail)
                for job in lost:
                    self._tell(job, status)

            self._in_thread(ask)
        self._serve(one.key)


def _alone(job: Job) -> bool:
    """Whether the container that runs it runs nothing else meanwhile."""
    needs = job.resources
    return any(amount is not None for amount in (needs.cpu, needs.memory_mb, needs.gpu, needs.shared_memory_mb))
