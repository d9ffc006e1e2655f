"""Backends that fail on purpose: they wrap a real one, count the calls of all processes of a run,
and act at the chosen ones.

    --datastore=penstock.testing.faulty:FaultyDatastore --faulty-datastore-root=FOLDER \\
    --faulty-datastore-count-file=FILE --faulty-datastore-crash-at=17

The count is one number in a file that driver, hosts and attempts share, so a plan names each call of a run exactly.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal

from penstock import contracts
from penstock.contracts.datastore import Datastore
from penstock.contracts.metadata import MetadataStore
from penstock.errors import BackendUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any, BinaryIO, TypeVar

    from penstock.contracts.datastore import Bytes, Stat
    from penstock.contracts.metadata import AttemptRow, Row, RunRow, TagRow

    T = TypeVar("T")


class Faults:
    """What happens at which call.

    count_file: holds the number of calls so far; "" counts nothing. crash_at: the process that makes this call is
    killed before it is done, crash_after: once it is done; stop_at, stop_after: it stands still there (SIGSTOP), so
    that whoever waits for that may kill others. fail_at: the call is refused. lose_at: it is done, but its answer is
    lost. rate, seed: beside the plan, this share of calls is refused or loses its answer. Calls count from 1, 0 is
    none.
    """

    def __init__(
        self,
        count_file: str = "",
        crash_at: int = 0,
        crash_after: int = 0,
        fail_at: int = 0,
        lose_at: int = 0,
        stop_at: int = 0,
        stop_after: int = 0,
        rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.plan = {
            "crash_at": crash_at, "crash_after": crash_after, "fail_at": fail_at, "lose_at": lose_at,
            "stop_at": stop_at, "stop_after": stop_after,
        }  # fmt: skip
        self.count_file, self.rate, self.seed = count_file, rate, seed

    def options(self) -> dict[str, Any]:
        """The keywords again."""
        return {"count_file": self.count_file, **self.plan, "rate": self.rate, "seed": self.seed}

    def around(self, call: Callable[[], T]) -> T:
        """Make a call, as the plan wants it."""
        number = self._next()
        if number == self.plan["crash_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.plan["stop_at"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        chance = random.Random(f"{self.seed} {number}").random() if self.rate else 1.0
        if number == self.plan["fail_at"] or chance < self.rate / 2:
            raise BackendUnavailable(f"call {number} is refused, as planned")
        answer = call()
        if number == self.plan["crash_after"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.plan["stop_after"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        if number == self.plan["lose_at"] or self.rate / 2 <= chance < self.rate:
            raise BackendUnavailable(f"the answer of call {number} is lost, as planned")
        return answer

    def _next(self) -> int:
        if not self.count_file:
            return 0
        fd = os.open(self.count_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX)
            number = int(os.pread(fd, 20, 0) or b"0") + 1
            os.pwrite(fd, b"%d" % number, 0)
            return number
        finally:
            os.close(fd)


def calls(count_file: str) -> int:
    """How many calls were counted."""
    with open(count_file, "rb") as file:
        return int(file.read() or b"0")


class FaultyDatastore(Datastore):
    """A datastore whose calls are subject to `Faults`. inner: import target of the real one, opened with `root`."""

    def __init__(
        self,
        root: str = ".penstock",
        inner: str = "penstock_local.file_datastore:FileDatastore",
        count_file: str = "",
        crash_at: int = 0,
        crash_after: int = 0,
        fail_at: int = 0,
        lose_at: int = 0,
        stop_at: int = 0,
        stop_after: int = 0,
        rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._inner: Datastore = contracts.open(inner, {"root": root})
        self._target, self._root = inner, root
        self.faults = Faults(count_file, crash_at, crash_after, fail_at, lose_at, stop_at, stop_after, rate, seed)
        self.reach, self.exclusive_put, self.width = self._inner.reach, self._inner.exclusive_put, self._inner.width

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        """Counted."""
        return self.faults.around(lambda: self._inner.put(key, data, replace=replace))

    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """Counted."""
        return self.faults.around(lambda: self._inner.open(key, start, length))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Counted."""
        return self.faults.around(lambda: self._inner.get(key, start, length))

    def list(self, prefix: str) -> Iterator[Stat]:
        """Counted once a listing."""
        return self.faults.around(lambda: self._inner.list(prefix))

    def delete(self, keys: Collection[str]) -> None:
        """Counted."""
        self.faults.around(lambda: self._inner.delete(keys))

    def stat(self, key: str) -> Stat | None:
        """Counted."""
        return self.faults.around(lambda: self._inner.stat(key))

    def touch(self, key: str) -> None:
        """Counted."""
        self.faults.around(lambda: self._inner.touch(key))

    def local_path(self, key: str) -> str | None:
        """As the real one: mapped files are not counted."""
        return self._inner.local_path(key)

    @property
    def host_paths(self) -> tuple[Path, ...]:
        """As the real one."""
        return self._inner.host_paths

    @property
    def label(self) -> str:
        """As the real one."""
        return self._inner.label

    def options(self) -> dict[str, Any]:
        """The same faults in another process."""
        root = self._inner.options().get("root", self._root)
        return {"root": root, "inner": self._target, **self.faults.options()}

    def secrets(self) -> Mapping[str, str]:
        """The real one's."""
        return self._inner.secrets()

    def bootstrap(self) -> str | None:
        """The real one's: a worker's first reads are not counted."""
        return self._inner.bootstrap()

    def packages(self) -> tuple[str, ...]:
        """The real one's, and pytest-free parts of this package come with the core."""
        return self._inner.packages()

    def close(self) -> None:
        """Close the real one."""
        self._inner.close()


class FaultyMetadata(MetadataStore):
    """A catalogue whose calls are subject to `Faults`. inner: import target of the real one."""

    def __init__(
        self,
        datastore: Datastore,
        inner: str = "penstock_local.sqlite_metadata:SqliteMetadata",
        count_file: str = "",
        crash_at: int = 0,
        crash_after: int = 0,
        fail_at: int = 0,
        lose_at: int = 0,
        stop_at: int = 0,
        stop_after: int = 0,
        rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(datastore)
        self._inner: MetadataStore = contracts.open(inner, {}, datastore)
        self._target = inner
        self.faults = Faults(count_file, crash_at, crash_after, fail_at, lose_at, stop_at, stop_after, rate, seed)

    def write(self, rows: Sequence[Row]) -> None:
        """Counted."""
        self.faults.around(lambda: self._inner.write(rows))

    def needs_rebuild(self) -> bool:
        """Counted."""
        return self.faults.around(self._inner.needs_rebuild)

    def refill(self, batches: Iterable[Sequence[Row]]) -> None:
        """Counted."""
        self.faults.around(lambda: self._inner.refill(batches))

    def runs(
        self,
        flow: str | None = None,
        *,
        run: str | None = None,
        outcome: str | None = None,
        tags: Sequence[str] = (),
        limit: int | None = None,
    ) -> Iterator[RunRow]:
        """Counted."""
        return self.faults.around(lambda: self._inner.runs(flow, run=run, outcome=outcome, tags=tags, limit=limit))

    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        """Counted."""
        return self.faults.around(lambda: self._inner.attempts(flow, run, step=step, place=place))

    def tags(self, flow: str, run: str) -> Iterator[TagRow]:
        """Counted."""
        return self.faults.around(lambda: self._inner.tags(flow, run))

    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        """Counted."""
        self.faults.around(lambda: self._inner.forget(flow, run, tag))

    def options(self) -> dict[str, Any]:
        """The same faults in another process."""
        return {"inner": self._target, **self.faults.options()}

    def close(self) -> None:
        """Close the real one."""
        self._inner.close()
