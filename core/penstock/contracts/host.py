"""Hosts: the living processes of ours beside which attempts run on this machine.
Core makes them, executors drive them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penstock.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from penstock.contracts.executor import Job

    class ByteStream(Protocol):
        """A two-way stream of bytes that never blocks: a socket, or what stands for one.

        `recv` returns b"" at the end and raises BlockingIOError while nothing is there, `send` while there is no room.
        """

        def setblocking(self, flag: bool, /) -> None: ...
        def fileno(self) -> int: ...
        def recv(self, size: int, /) -> bytes: ...
        def send(self, data: bytes | memoryview, /) -> int: ...
        def close(self) -> None: ...

HOST_CONTRACT = 1


class HostEvent(Value):
    """kind: `started`, `ended`, or `lost` (the host itself died).
    exit_code: of the attempt's process, -N for signal N."""

    __slots__ = ("exit_code", "kind", "name", "pid", "reason")

    def __init__(
        self, *, kind: str, name: str, pid: int | None = None, exit_code: int | None = None, reason: str = ""
    ) -> None:
        self.kind, self.name, self.pid, self.exit_code, self.reason = kind, name, pid, exit_code, reason


class HostElsewhere(ABC):
    """A host that an executor has started by `Job.host_command`, at the other end of a stream. Of one thread."""

    @abstractmethod
    def fileno(self) -> int:
        """To wait for events."""

    @abstractmethod
    def start(self, job: Job) -> None:
        """Begin an attempt; an `ended` event follows, or the host is gone. Exit code 75: another copy owns it."""

    @abstractmethod
    def events(self) -> Sequence[HostEvent]:
        """What happened, without waiting."""

    @property
    @abstractmethod
    def gone(self) -> bool:
        """Whether the stream has ended: no more events will come."""

    @abstractmethod
    def kill(self, name: str) -> None:
        """End an attempt with its whole process group. Unknown names are passed over."""

    @abstractmethod
    def close(self) -> None:
        """Let the host end what still runs there, record it, and go."""


class Hosts(ABC):
    """The pool of hosts of a run: one for each set of variables that a step needs, started when first asked for."""

    at_work: bool = False  # True: a step runs in the calling process right now

    @abstractmethod
    def start(self, job: Job) -> None:
        """Begin an attempt; a `started` event follows, later `ended` or `lost`. Raises BackendUnavailable."""

    @abstractmethod
    def events(self, timeout_s: float) -> Sequence[HostEvent]:
        """What happened, after waiting at most `timeout_s` seconds for a first event.

        Nothing when that time is over, or earlier when the scheduler has something else to do.
        """

    @abstractmethod
    def kill(self, name: str) -> None:
        """End an attempt with its whole process group. Unknown names are passed over."""

    @abstractmethod
    def close(self) -> None:
        """End every host and what still runs there."""
