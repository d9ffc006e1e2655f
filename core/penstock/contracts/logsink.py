"""LogSink: the output of attempts, as bytes at offsets.
Output of at most 32 KiB never comes here: the record has it."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from penstock.contracts.datastore import Datastore

LOGGING_CONTRACT = 1

STDOUT = "stdout"
STDERR = "stderr"


class LogStream:
    """One stream of one attempt. source: `stdout` or `stderr`."""

    __slots__ = ("attempt", "flow", "place", "run", "source", "step")

    def __init__(self, flow: str, run: str, step: str, place: str, attempt: int, source: str) -> None:
        self.flow, self.run, self.step, self.place = flow, run, step, place
        self.attempt, self.source = attempt, source

    def __repr__(self) -> str:
        return f"LogStream({self.flow}/{self.run}/{self.step}/{self.place}/{self.attempt}.{self.source})"


class LogSink(ABC):
    """Keeps output byte for byte. Thread-safe.

    The constructor takes the run's datastore, then the options as keywords, and does no work. Each method may raise
    BackendUnavailable and BackendMisconfigured.
    """

    def __init__(self, datastore: Datastore, **options: Any) -> None:
        self.datastore = datastore

    @abstractmethod
    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        """Keep `chunk` at byte `offset`. The same offset again brings the same bytes and has no effect.

        One writer a stream, offsets without gaps. Visible to `read` when the call returns.
        """

    @abstractmethod
    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        """The bytes from `start` to the present end, in pieces; nothing for a stream that never began."""

    def piece_at(self, stream: LogStream, offset: int) -> bytes:
        """The next bytes from `offset`, which is where earlier ones ended; b"" while there are none.

        Asked again and again for each attempt that is followed: override where `read` costs more than this.
        """
        return next(iter(self.read(stream, offset)), b"")

    def options(self) -> dict[str, Any]:
        """The keywords that open the same sink in another process, as JSON. Never holds a secret."""
        return {}

    def close(self) -> None:
        """Free clients and files. May be called twice."""
