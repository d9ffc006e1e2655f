"""The hosts of a run as one pool: started when their variables are first asked for, and driven by executors."""

from __future__ import annotations

import select
import time

from penstock.contracts.host import HostEvent, Hosts
from penstock.errors import BackendError, BackendUnavailable
from penstock.host.process import STOP_WAIT_S, HostProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from penstock.contracts.executor import Job
    from penstock.host.declaration import Declaration
    from penstock.running.wake import Wake


class HostPool(Hosts):
    """Hosts by the variables that their steps need. `first` has declared the flow and serves steps without any.

    show: takes what attempts print, `(name of the job, stream, bytes)`; note: takes remarks for the user; wake: ends a
    wait for events; begun: is told the process of each host before it gets the lock.
    """

    def __init__(
        self,
        first: HostProcess,
        declaration: Declaration,
        opened: Mapping[str, Any],
        lock_fd: int,
        show: Callable[[str, str, bytes], None],
        note: Callable[[str], None],
        wake: Wake,
        begun: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._source = declaration.source().of_run(opened)
        self._opened, self._lock_fd, self._show, self._note = opened, lock_fd, show, note
        self._hosts: dict[tuple[tuple[str, str], ...], HostProcess] = {}
        self._where: dict[str, HostProcess] = {}
        self._noted = False
        self._wake, self._begun = wake, begun
        self._poll = select.poll()
        self._poll.register(wake.fileno(), select.POLLIN)
        self._links: dict[int, HostProcess] = {}
        self._add((), first)

    def _add(self, key: tuple[tuple[str, str], ...], host: HostProcess) -> None:
        self._hosts[key] = host
        self._links[host.link.fileno()] = host
        self._poll.register(host.link.fileno(), select.POLLIN)
        self._begun(host.process.pid)
        host.link.send({"do": "open", **self._opened}, descriptors=[self._lock_fd] if self._lock_fd >= 0 else [])

    def start(self, job: Job) -> None:
        """Begin an attempt in the host of its variables, which is started when there is none."""
        key = tuple(sorted(job.environment.items()))
        host = self._hosts.get(key)
        if host is None:
            host = HostProcess(self._source, job.environment)
            host.declaration()
            self._add(key, host)
        host.running[job.name] = 0
        self._where[job.name] = host
        fresh = {"fresh": True} if job.resources.gpu else {}
        sent = host.link.send({"do": "run", "name": job.name, "message": job.message, **fresh})
        if not sent and not host.link.closed:
            raise BackendUnavailable("a host does not answer")

    def events(self, timeout_s: float) -> Sequence[HostEvent]:
        """What happened since the last call."""
        found: list[HostEvent] = []
        waiting_s = 0.0 if any(host.link.has_frames for host in self._hosts.values()) else timeout_s
        ready = {fd for fd, _ in self._poll.poll(waiting_s * 1000)}
        if self._wake.fileno() in ready:
            self._wake.clear()
        for fd, host in list(self._links.items()):
            if fd in ready or host.link.has_frames or host.link.closed:
                self._receive(fd, host, found)
        return found

    def _receive(self, fd: int, host: HostProcess, found: list[HostEvent]) -> None:
        reason = "the host that it ran beside died"
        try:
            frames = host.link.receive()
        except BackendError as error:
            frames, reason = host.link.receive(), f"its host can't be understood any more: {error}"
        for header, payload in frames:
            event = header["event"]
            if event == "output":
                self._show(header["name"], header["stream"], payload)
            elif event == "started":
                host.running[header["name"]] = header["pid"]
                found.append(HostEvent(kind="started", name=header["name"], pid=header["pid"]))
            elif event == "ended":
                host.running.pop(header["name"], None)
                self._where.pop(header["name"], None)
                why, code = header.get("reason", ""), header["exit_code"]
                found.append(HostEvent(kind="ended", name=header["name"], exit_code=code, reason=why))
            elif event == "serving" and header["reason"] and not self._noted:
                self._noted = True
                self._note(f"each task gets a fresh interpreter: {header['reason']}")
        if host.link.closed:
            self._lose(fd, host, found, reason)

    def _lose(self, fd: int, host: HostProcess, found: list[HostEvent], reason: str) -> None:
        self._poll.unregister(fd)
        del self._links[fd]
        self._hosts = {key: one for key, one in self._hosts.items() if one is not host}
        host.kill()
        for name in host.running:
            self._where.pop(name, None)
            found.append(HostEvent(kind="lost", name=name, reason=reason))
        host.running.clear()
        host.close()

    def kill(self, name: str) -> None:
        """End an attempt with its whole process group."""
        host = self._where.get(name)
        if host is not None:
            host.link.send({"do": "kill", "name": name})

    def close(self) -> None:
        """End every host and what still runs there."""
        for host in self._hosts.values():
            host.link.close()
        until = time.monotonic() + STOP_WAIT_S
        for host in self._hosts.values():
            try:
                host.process.wait(max(0.1, until - time.monotonic()))
            except TimeoutError:
                host.process.kill()
                host.process.wait()
            host.end_attempts()
        self._hosts.clear()
        self._links.clear()
