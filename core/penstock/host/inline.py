"""Hosts without a process: each attempt runs to its end in the scheduler's own process, one by one.

For breakpoints, debuggers and notebooks. The keys, records and moments are the same; output is teed by pipes laid under
descriptors 1 and 2. Time-outs work on the main thread only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading

from penstock import contracts
from penstock.authoring.context import current
from penstock.contracts.host import HostEvent, Hosts
from penstock.contracts.logsink import STDOUT
from penstock.errors import BackendUnavailable
from penstock.host.pump import Pump
from penstock.running import attempt
from penstock.running.message import Message
from penstock.running.world import World
from penstock.values import SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.graph import Graph
    from penstock.contracts.datastore import Datastore
    from penstock.contracts.executor import Job
    from penstock.contracts.logsink import LogSink
    from penstock.host.archived_code import ArchivedCode


class InlineHosts(Hosts):
    """Runs an attempt when its events are asked for, so that `start` returns at once like any other.

    code: what this process imports from until the hosts are closed; output_lost: is told once that standard output
    can't be written.
    """

    def __init__(
        self,
        *,
        flow_class: type[FlowSpec],
        graph: Graph,
        datastore: Datastore,
        opened: Mapping[str, Any],
        code: ArchivedCode | None = None,
        output_lost: Callable[[OSError], None],
    ) -> None:
        self._code, self._output_lost = code, output_lost
        self._lost = False
        self._world = World(flow_class=flow_class, graph=graph, datastore=datastore, opened=opened)
        self._opened = opened
        self._waiting: list[Job] = []
        self._events: list[HostEvent] = []
        self._sink: LogSink | None = None
        self.at_work = False  # whether a step runs at this moment, in this very thread

    def start(self, job: Job) -> None:
        """Put the attempt at the end of the queue."""
        self._waiting.append(job)
        self._events.append(HostEvent(kind="started", name=job.name, pid=os.getpid()))

    def events(self, timeout_s: float) -> Sequence[HostEvent]:
        """Run the next attempt to its end."""
        if self._waiting and not self._events:
            job = self._waiting.pop(0)
            code, reason = 1, ""
            try:
                code = self._run(job)
            except BackendUnavailable as error:  # as the death of a process: who drives the run claims the record
                reason = f"the store did not answer: {error.in_one_line}"
            self._events.append(HostEvent(kind="ended", name=job.name, exit_code=code, reason=reason))
        found, self._events = self._events, []
        return found

    def kill(self, name: str) -> None:
        """Forget an attempt that has not begun; one that runs is this very call's caller."""
        gone = [job for job in self._waiting if job.name == name]
        self._waiting = [job for job in self._waiting if job.name != name]
        self._events += [HostEvent(kind="ended", name=job.name, exit_code=1) for job in gone]

    def close(self) -> None:
        """Close the log sink, and import from disk again."""
        if self._code is not None:
            self._code.uninstall()
        if self._sink is not None:
            self._sink.close()

    def _log_sink(self) -> LogSink:
        if self._sink is None:
            named = self._opened["logging"]
            self._sink = contracts.open(named["target"], named["options"], self._world.datastore)
        return self._sink

    def _run(self, job: Job) -> int:
        message = Message.of(json.loads(job.message))
        at = (self._world.flow, self._world.run, message.step, message.place, message.attempt)
        with _variables(job.environment), _Tee(at, self._log_sink) as tee:
            self.at_work = True
            try:
                record = attempt.run(message, self._world, tee.drain)
            finally:
                self.at_work = False
                current._clear()
        if tee.lost is not None and not self._lost:
            self._lost = True
            self._output_lost(tee.lost)
        return 0 if record.outcome == SUCCEEDED else 1


@contextlib.contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Tee:
    """Lays a pipe under descriptors 1 and 2 and reads both from threads,
    which pass the bytes on as they are and keep them."""

    def __init__(self, at: tuple[str, str, str, str, int], sink: Callable[[], LogSink]) -> None:
        self._saved = (os.dup(1), os.dup(2))
        self._pipes = (os.pipe(), os.pipe())
        self._pump = Pump((self._pipes[0][0], self._pipes[1][0]), at, sink, self._pass_on)
        self._lock = threading.Lock()
        self._stop = os.pipe()  # readable once the step is over: a process that it left behind may hold the pipes open
        self._drained = False
        self.lost: OSError | None = None  # why standard output could not be written
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._pump.out, self._pump.err)
        ]

    def __enter__(self) -> _Tee:
        _flush()
        for (_, end), fd in zip(self._pipes, (1, 2), strict=True):
            os.dup2(end, fd)
            os.close(end)
        for reader in self._readers:
            reader.start()
        return self

    def _read(self, stream: Any) -> None:
        poll = select.poll()
        poll.register(stream.fd, select.POLLIN)
        poll.register(self._stop[0], select.POLLIN)
        over = False
        while not over:
            over = any(fd == self._stop[0] for fd, _ in poll.poll())
            with self._lock:
                over = not stream.read(to_end=over) or over

    def _pass_on(self, stream: str, piece: bytes) -> None:
        fd = self._saved[0 if stream == STDOUT else 1]
        try:
            while piece:
                piece = piece[os.write(fd, piece) :]
        except OSError as error:  # nobody reads it any more, a full disk: the step goes on
            self.lost = error if stream == STDOUT else self.lost

    def _restore(self) -> None:
        if not self._drained:
            self._drained = True
            _flush()
            for saved, fd in zip(self._saved, (1, 2), strict=True):
                os.dup2(saved, fd)
            os.write(self._stop[1], b".")
            for reader in self._readers:
                reader.join()
            for fd in self._stop:
                os.close(fd)
            for saved in self._saved:
                os.close(saved)

    def drain(self) -> tuple[Any, Any]:
        """Take the pipes away again and say what went through them."""
        self._restore()
        return self._pump.out.fact(), self._pump.err.fact()

    def __exit__(self, *_: object) -> None:
        self._restore()
        self._pump.close()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
