"""The host: one thread that forks (or execs) attempts and pumps their output.
It enforces time-outs, reaps and records deaths.

It imports the flow file before anything else and makes the store's client before it forks, so that an attempt starts in
about a millisecond with everything at hand. It starts no thread and no event loop, and it never loads an artifact.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
from _socket import MSG_DONTWAIT, socketpair

from penstock import contracts
from penstock.errors import BackendError
from penstock.host import memory
from penstock.host.attempt_process import run_attempt
from penstock.host.libc import libc
from penstock.host.protocol import Link
from penstock.host.pump import Pump
from penstock.running import gang_commit
from penstock.running.attempt import job_facts
from penstock.running.message import Message
from penstock.running.world import World
from penstock.values import CANCELLED, FAILED, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable
    from typing import Any

    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.graph import Graph
    from penstock.contracts.datastore import Datastore
    from penstock.contracts.logsink import LogSink
    from penstock.host.flow_file import FlowFile

KILL_AFTER_TIMEOUT_S = 30.0  # the attempt raises by its own timer first; the platform's limit lies 60 s after this
TERMINATE_GRACE_S = 2.0
# Threads that are alive after one fork and were seen to do no harm: jemalloc's background thread belongs to the
# allocator, which has its own atfork handlers (pyarrow; all children worked).
_HARMLESS_THREADS = frozenset({"jemalloc_bg_thd"})


class Child:
    """One running attempt."""

    __slots__ = (
        "control", "kill_at", "killed", "message", "name", "pid", "pidfd", "pump", "reason", "started_s", "told",
    )  # fmt: skip

    def __init__(self, name: str, message: Message, pid: int, pump: Pump, control: socket) -> None:
        self.name, self.message, self.pid, self.pump, self.control = name, message, pid, pump, control
        self.pidfd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        self.started_s = time.time()
        self.told = False  # it said that its record stands
        self.killed = False
        self.reason = ""
        limit = message.timeout_s
        self.kill_at = None if limit is None else time.monotonic() + limit + KILL_AFTER_TIMEOUT_S


class Server:
    """Serves attempts of one flow.

    tell: how events reach whoever drives it, `(header, payload)`; imports_later: steps import modules of the flow's
    own, which then come from the run's archive.
    """

    def __init__(
        self,
        *,
        flow_class: type[FlowSpec],
        graph: Graph,
        source: FlowFile,
        seeded: set[str],
        tell: Callable[[dict[str, Any], bytes], object],
        imports_later: bool = False,
    ) -> None:
        self._imports_later = imports_later
        self.flow_class, self.graph, self.source, self.seeded = flow_class, graph, source, seeded
        self.lock_fds: list[int] = []  # of the run, held as long as this process or one of its forks lives
        self.tell = tell
        self.children: dict[str, Child] = {}
        self.world: World
        self._opened: dict[str, Any] = {}
        self._forks = True
        self._sink: LogSink | None = None
        self._poll = select.poll()
        self._watched: dict[int, tuple[str, Child]] = {}
        self._libc = libc()
        self._memory_kills = memory.kills()  # looked at again when an attempt is killed: most never are
        self._pid = os.getpid()
        self._links: list[int] = []  # descriptors by which this process is driven: none of an attempt's business

    # -- before serving

    def open(self, opened: dict[str, Any], datastore: Datastore | None = None) -> None:
        """Make the store's client, unless there is one, see whether forks are safe here, and say so."""
        self._opened = opened
        datastore = datastore or contracts.open(opened["datastore"]["target"], opened["datastore"]["options"])
        self.world = World(flow_class=self.flow_class, graph=self.graph, datastore=datastore, opened=opened)
        self.source = self.source.of_run(opened)
        if self._imports_later and "code" in opened:
            from penstock.host.archived_code import ArchivedCode

            ArchivedCode.of(datastore, opened["code"], self.source.path).install()
        reason = self._probe()
        self._forks = not reason
        if self._forks:
            gc.freeze()  # what is here now is never garbage: children need not copy its pages to look at it
        self.tell({"event": "serving", "mode": "fork" if self._forks else "exec", "reason": reason}, b"")

    def _probe(self) -> str:
        """Where there are threads: fork once and look which are left; "" when forking is safe, else why not."""
        if sys.platform != "linux":
            return "system frameworks of this platform do not survive a fork"
        if len(os.listdir("/proc/self/task")) == 1:
            return ""
        _silence_fork_warning()
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        names = []
        for thread in os.listdir("/proc/self/task"):
            if int(thread) != os.getpid():
                with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/comm") as file:
                    names.append(file.read().strip())
        alive = sorted(set(names) - _HARMLESS_THREADS)
        if not alive:
            return ""
        flow_file = os.path.basename(self.source.path)
        return f"importing {flow_file} leaves threads that no fork survives: {', '.join(alive)}"

    def sink(self) -> LogSink:
        """The log sink, made when the first attempt prints more than a record holds."""
        if self._sink is None:
            named = self._opened["logging"]
            self._sink = contracts.open(named["target"], named["options"], self.world.datastore)
        return self._sink

    # -- attempts

    def start(self, name: str, message: Message, *, fresh: bool = False, only: bool = False) -> None:
        """Begin an attempt in a process of its own. only: no other comes after it, for which to read ahead.

        Raises OSError when the system has no room for one more.
        """
        if not only:
            with contextlib.suppress(Exception):  # the attempt meets the same trouble and tells of it
                self.world.foresee(message)
        ours, theirs = socketpair()
        pipes: list[int] = []
        try:
            pipes += os.pipe()
            pipes += os.pipe()
            pid = (self._fork if self._forks and not fresh else self._exec)(message, ours, theirs, pipes)
        except OSError:
            ours.close()
            theirs.close()
            for fd in pipes:
                os.close(fd)
            raise
        out, out_in, err, err_in = pipes
        theirs.close()
        os.close(out_in)
        os.close(err_in)
        at = (self.world.flow, self.world.run, message.step, message.place, message.attempt)
        pump = Pump((out, err), at, self.sink, lambda stream, piece: self._show(name, stream, piece))
        child = Child(name, message, pid, pump, ours)
        self.children[name] = child
        for fd, role in ((out, "out"), (err, "err"), (ours.fileno(), "control"), (child.pidfd, "exit")):
            if fd >= 0:
                self._watched[fd] = (role, child)
                self._poll.register(fd, select.POLLIN)
        self.tell({"event": "started", "name": name, "pid": pid}, b"")

    def _show(self, name: str, stream: str, piece: bytes) -> None:
        self.tell({"event": "output", "name": name, "stream": stream}, piece)

    def _fork(self, message: Message, ours: socket, theirs: socket, pipes: list[int]) -> int:
        out, out_in, err, err_in = pipes
        pid = os.fork()
        if not pid:
            for fd in (ours.fileno(), out, err, *self._links):
                os.close(fd)
            self._become_attempt(message, theirs, out_in, err_in)
        with contextlib.suppress(OSError):  # the attempt does it too: a kill right now must find the group
            os.setpgid(pid, pid)
        return pid

    def _become_attempt(self, message: Message, control: socket, out: int, err: int) -> None:
        """In the fork: leave everything behind that belongs to the host, run, and never return."""
        status = 1
        try:
            os.setpgid(0, 0)
            self._libc.die_with_parent(self._pid)
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.close(out)
            os.close(err)
            for child in self.children.values():
                os.close(child.pump.out.fd)
                os.close(child.pump.err.fd)
                child.control.close()
                if child.pidfd >= 0:
                    os.close(child.pidfd)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.set_wakeup_fd(-1)
            gc.enable()
            from penstock.host.seeds import reseed

            reseed(self.seeded)
            status = run_attempt(message, self.world, control, self._libc)
        except BaseException:  # noqa: BLE001 - nothing of the child may go on in the host's code
            with contextlib.suppress(BaseException):
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
        finally:
            os._exit(status)

    def _exec(self, message: Message, ours: socket, theirs: socket, pipes: list[int]) -> int:
        """A fresh interpreter for one attempt: where a fork is not safe, and for a GPU."""
        import subprocess

        _, out_in, _, err_in = pipes
        arguments = [str(self._pid), str(theirs.fileno()), *self.source.words()]
        with open(os.devnull, "rb") as nothing:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "penstock.host.fresh", *arguments],
                stdin=nothing, stdout=out_in, stderr=err_in, pass_fds=[theirs.fileno(), *self.lock_fds],
                process_group=0,
            )  # fmt: skip
        process.returncode = 0  # reaped by this loop, not by Popen
        said = {"opened": self._opened, "message": message.data()}
        ours.sendall(json.dumps(said).encode("ascii") + b"\n")
        return process.pid

    def kill(self, name: str, reason: str = "") -> None:
        """Ask an attempt to end, with its group; by force 2 s later."""
        child = self.children.get(name)
        if child is not None and not child.killed:
            child.killed, child.reason = True, reason
            child.kill_at = time.monotonic() + TERMINATE_GRACE_S
            _signal_group(child.pid, signal.SIGTERM)

    def kill_all(self) -> None:
        """End every attempt at once; nothing is recorded."""
        for child in self.children.values():
            _signal_group(child.pid, signal.SIGKILL)

    # -- the loop

    def register(self, fd: int, *others: int) -> None:
        """Watch a descriptor of the driver's too; `turn` returns it when it is readable. others: which attempts close
        as well."""
        self._links += [fd, *others]
        self._poll.register(fd, select.POLLIN)

    def forget(self, fd: int) -> None:
        """Watch it no more: its other end is gone."""
        if fd in self._links:
            self._links.remove(fd)
            self._poll.unregister(fd)

    def turn(self, timeout_s: float | None = None) -> list[int]:
        """Wait for something, deal with it, and return the readable descriptors that are not an attempt's."""
        foreign = []
        exits = []
        for fd, _ in self._poll.poll(self._timeout_ms(timeout_s)):
            role, child = self._watched.get(fd, ("", None))
            if child is None:
                foreign.append(fd)
            elif role == "exit":
                exits.append(child)
            elif role == "control":
                self._answer(child)
            elif not (child.pump.out if role == "out" else child.pump.err).read():
                self._unwatch(fd)
        for child in exits:
            self._reap(child)
        self._keep_time()
        return foreign

    def _timeout_ms(self, timeout_s: float | None) -> float | None:
        waits = [] if timeout_s is None else [timeout_s]
        now = time.monotonic()
        for child in self.children.values():
            if child.pump.waits:
                waits.append(0.5)
            if child.kill_at is not None:
                waits.append(max(0.0, child.kill_at - now))
            if child.pidfd < 0:
                waits.append(0.02)
        return min(waits) * 1000 if waits else None

    def _keep_time(self) -> None:
        now = time.monotonic()
        for child in list(self.children.values()):
            if child.pump.waits:
                child.pump.flush_due(now)
            if child.kill_at is not None and now >= child.kill_at:
                child.kill_at = now + 1.0
                if not child.killed:
                    child.reason = f"ran longer than its time-out of {child.message.timeout_s:g} s and did not stop"
                _signal_group(child.pid, signal.SIGKILL)
            if child.pidfd < 0 and os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                self._reap(child)

    def _answer(self, child: Child) -> None:
        """The attempt said `ready`: tell it what it printed. Or that its record stands."""
        try:
            said = child.control.recv(64, MSG_DONTWAIT)  # a daemon of the user's may hold the other end
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._unwatch(child.control.fileno())
        if b"R" in said:
            out, err = child.pump.drain()
            answer = json.dumps([out, err]).encode("ascii")
            with contextlib.suppress(OSError):
                child.control.sendall(len(answer).to_bytes(4, "big") + answer)
        child.told |= b"C" in said

    def _unwatch(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def _reap(self, child: Child) -> None:
        _signal_group(child.pid, signal.SIGKILL)  # what it left behind; its pid is its group's, and not free yet
        _, status, usage = os.wait4(child.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if not child.told:
            self._answer(child)
        out, err = child.pump.drain()
        if not child.told:
            self._record_death(child, code, usage.ru_maxrss, out, err)
        for fd in (child.pump.out.fd, child.pump.err.fd, child.control.fileno(), child.pidfd):
            self._unwatch(fd)
        child.pump.close()
        child.control.close()
        if child.pidfd >= 0:
            os.close(child.pidfd)
        del self.children[child.name]
        self.tell({"event": "ended", "name": child.name, "exit_code": code}, b"")

    def _record_death(self, child: Child, code: int, peak: int, out: Any, err: Any) -> None:
        """The attempt ended without a record: say so in its place. Its own record wins if it got that far."""
        message = child.message
        reason = child.reason or _death(code)
        if code == -signal.SIGKILL and not child.reason:
            kills = memory.kills()
            if kills > self._memory_kills:
                reason = f"{memory.exceeded()}; it needs more by @resources(memory=...)"
            self._memory_kills = kills
        if code == -signal.SIGSEGV:
            child.pump.err.take(b"segmentation fault\n")
            err = child.pump.err.fact()
        record = Record(
            flow=self.world.flow, run=self.world.run, step=message.step, place=message.place, attempt=message.attempt,
            outcome=CANCELLED if child.killed else FAILED, token=message.token, writer="host", reason=reason,
            started_s=child.started_s, ended_s=time.time(), peak_bytes=peak * (1 if sys.platform == "darwin" else 1024),
            parents=message.parents, inputs=message.inputs, stdout=out, stderr=err,
            handler=message.handler is not None, host=os.uname().nodename, pid=child.pid, facts=job_facts(),
        )  # fmt: skip
        with contextlib.suppress(BackendError):  # then the scheduler finds no record, and says so in its place
            gang_commit.claim(self.world.datastore, record, message.nodes)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _death(code: int) -> str:
    if code == 0:
        return "its process ended without a result: os._exit(0)?"
    if code > 0:
        return f"its process ended without a result, with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    more: dict[int, str] = {
        signal.SIGKILL: "; out of memory? See @resources(memory=...)",
        signal.SIGSEGV: ": segmentation fault",
    }
    return f"its process was ended by signal {-code} ({name}){more.get(-code, '')}"


def _silence_fork_warning() -> None:
    import warnings

    text = ".*use of fork\\(\\) may lead to deadlocks.*"
    warnings.filterwarnings("ignore", message=text, category=DeprecationWarning)


def serve(link: Link, server: Server) -> None:
    """Obey the driver at the other end of `link` until it says stop or is gone."""
    server.register(link.fileno())
    stopping = False
    while not (stopping and not server.children):
        server.turn(0.0 if link.has_frames else None)  # what came while something was sent
        for header, _ in link.receive():
            command = header["do"]
            if command == "open":
                server.lock_fds += link.descriptors
                server.open(header)
            elif command == "run":
                message = Message.of(json.loads(header["message"]))
                try:
                    server.start(header["name"], message, fresh=header.get("fresh", False))
                except OSError as error:  # the others go on
                    reason = f"no process could be started for it: {error.strerror}"
                    link.send({"event": "ended", "name": header["name"], "exit_code": 1, "reason": reason})
            elif command == "kill":
                server.kill(header["name"])
            else:
                stopping = True
        if link.closed:
            server.kill_all()
            return
