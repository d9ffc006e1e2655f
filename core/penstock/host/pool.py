"""The driver's side: start hosts, speak with them, and give executors one pool of them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

from penstock import errors
from penstock.contracts.host import HostEvent, Hosts
from penstock.errors import BackendUnavailable, FlowError
from penstock.host.declare import Declaration
from penstock.host.protocol import Link, pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from penstock.contracts.executor import Job
    from penstock.jobs import Wake

STOP_WAIT_S = 5.0


class HostProcess:
    """One living host: the process, the link to it, and the attempts that run there
    (name -> pid, 0 not started yet)."""

    def __init__(self, file: str, flow: str | None, environment: Mapping[str, str]) -> None:
        ours, theirs = pair()
        arguments = [str(os.getpid()), str(theirs.fileno()), file, *([flow] if flow else [])]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "penstock.host", *arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=_environment(environment),
            start_new_session=True,  # Ctrl-C in the terminal is the driver's to hear
        )
        theirs.close()
        self.file = file
        self.link = Link(ours)
        self.running: dict[str, int] = {}

    def declaration(self) -> Declaration:
        """Wait for what the flow file declares. Raises FlowError (or what the file raised of ours) when it refuses."""
        while True:
            self.link.wait()
            for header, _ in self.link.receive():
                if header["event"] == "declared":
                    return Declaration.of({name: value for name, value in header.items() if name != "event"})
                if header["event"] == "refused":
                    self.close()
                    kind = getattr(errors, header["error"], FlowError)
                    raise kind(header["message"], hint=header["hint"], where=header["where"])
            if self.link.closed:
                code = self.process.wait()
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                raise FlowError(
                    f"the process that imports {os.path.basename(self.file)} ended with {how}",
                    where=self.file,
                    hint=f"python {self.file}   # shows what it does",
                )

    def end_attempts(self) -> None:
        """The host is gone: end the process groups of its attempts."""
        for pid in self.running.values():
            if pid:
                _kill_group(pid)

    def kill(self) -> None:
        """End the host at once, whatever it does: it may be in the middle of an import."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Stop the host, by force if it does not stop by itself."""
        self.link.close()
        try:
            self.process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.end_attempts()


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    environment = {**os.environ, **changes}
    environment.setdefault("PYTHONHASHSEED", "0")  # equal values have equal hashes, whichever process pickled them
    return environment


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


class HostPool(Hosts):
    """Hosts by the variables that their steps need. `first` has declared the flow and serves steps without any.

    show: takes what attempts print, `(name of the job, stream, bytes)`; note: takes remarks for the user; wake: ends a
    wait for events.
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
    ) -> None:
        self._file, self._flow = declaration.file, declaration.flow
        self._opened, self._lock_fd, self._show, self._note = opened, lock_fd, show, note
        self._hosts: dict[tuple[tuple[str, str], ...], HostProcess] = {}
        self._where: dict[str, HostProcess] = {}
        self._noted = False
        self._wake = wake
        self._poll = select.poll()
        self._poll.register(wake.fileno(), select.POLLIN)
        self._links: dict[int, HostProcess] = {}
        self._add((), first)

    def _add(self, key: tuple[tuple[str, str], ...], host: HostProcess) -> None:
        self._hosts[key] = host
        self._links[host.link.fileno()] = host
        self._poll.register(host.link.fileno(), select.POLLIN)
        host.link.send({"do": "open", **self._opened}, descriptors=[self._lock_fd] if self._lock_fd >= 0 else [])

    def start(self, job: Job) -> None:
        """Begin an attempt in the host of its variables, which is started when there is none."""
        key = tuple(sorted(job.environment.items()))
        host = self._hosts.get(key)
        if host is None:
            host = HostProcess(self._file, self._flow, job.environment)
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
        for header, payload in host.link.receive():
            event = header["event"]
            if event == "output":
                self._show(header["name"], header["stream"], payload)
            elif event == "started":
                host.running[header["name"]] = header["pid"]
                found.append(HostEvent(kind="started", name=header["name"], pid=header["pid"]))
            elif event == "ended":
                host.running.pop(header["name"], None)
                self._where.pop(header["name"], None)
                reason = header.get("reason", "")
                found.append(
                    HostEvent(kind="ended", name=header["name"], exit_code=header["exit_code"], reason=reason)
                )
            elif event == "serving" and header["reason"] and not self._noted:
                self._noted = True
                self._note(f"each task gets a fresh interpreter: {header['reason']}")
        if host.link.closed:
            self._lose(fd, host, found)

    def _lose(self, fd: int, host: HostProcess, found: list[HostEvent]) -> None:
        self._poll.unregister(fd)
        del self._links[fd]
        self._hosts = {key: one for key, one in self._hosts.items() if one is not host}
        host.end_attempts()
        for name in host.running:
            self._where.pop(name, None)
            found.append(HostEvent(kind="lost", name=name, reason="the host that it ran beside died"))
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
            except subprocess.TimeoutExpired:
                host.process.kill()
                host.process.wait()
            host.end_attempts()
        self._hosts.clear()
        self._links.clear()


def declared(file: str, flow: str | None = None, environment: Mapping[str, str] | None = None) -> HostProcess:
    """Start a host that imports `file`; ask it for its `declaration()`. Raises PenstockError when `file` is none."""
    if not os.path.exists(file):
        raise FlowError(f"no file {file}", where=file, hint="flow run FILE.py")
    if os.path.isdir(file):
        example = os.path.join(file, "FLOW.py")
        raise FlowError(f"{file} is a folder, not a flow file", where=file, hint=f"flow run {example}")
    return HostProcess(os.path.abspath(file), flow, environment or {})

