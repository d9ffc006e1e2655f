"""Who drives a run: the lease, its beat, and on one machine the lock that driver, host and attempts hold together.

The lock is an `flock` on an open file that children inherit: the kernel frees it when the last of them is gone, so on
this machine death is a fact. From elsewhere a driver is only silent: the age of its beat, by the store's own clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time

from penstock.errors import BackendUnavailable, RunDriven
from penstock.storage import keys, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from penstock.contracts.datastore import Datastore

BEAT_EVERY_S = 10.0
SILENT_AFTER_S = 6 * BEAT_EVERY_S
JOB_WAITS_S = 3600.0  # so long a job that shall drive a run may wait in its queue, and not count as dead
LOCK_WAIT_S = 10.0
LOOK_WAIT_S = 1.0  # a reader that looks whether the driver lives holds the lock for a moment
BEAT_AGAIN_S = 2.0


class LeaseState:
    """alive: somebody drives the run; holder: the newest lease (`host`, `pid`, `user`, `since_s`) or None;
    silent_s: seconds since its last beat where that is all one can see, else None. to_come: the holder is a job that
    has not begun to drive it."""

    __slots__ = ("alive", "holder", "silent_s", "to_come")

    def __init__(
        self, alive: bool, holder: dict[str, Any] | None, silent_s: float | None = None, *, to_come: bool = False
    ) -> None:
        self.alive, self.holder, self.silent_s, self.to_come = alive, holder, silent_s, to_come

    def __str__(self) -> str:
        if self.holder is None:
            return "nobody"
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.holder.get("since_s", 0)))
        if self.to_come:
            return f"{self.holder['job']}, which {self.holder.get('user')} started, has waited since {since}"
        who = f"{self.holder.get('user')} on {self.holder.get('host')}, process {self.holder.get('pid')}, since {since}"
        return who if self.silent_s is None else f"{who}, silent for {self.silent_s:.0f} s"


def state(datastore: Datastore, flow: str, run: str) -> LeaseState:
    """Look, without touching anything."""
    holder = _holder(datastore, flow, run)
    here = holder is None or holder.get("host") in (None, os.uname().nodename)  # None: torn, the lock tells
    path = _lock_path(datastore, flow, run)
    if here and os.path.exists(path):
        return LeaseState(_is_locked(path), holder)
    if holder is None:
        return LeaseState(False, None)
    ages = [datastore.stat(key) for key in (keys.run_beat(flow, run), keys.lease(flow, run, holder["number"]))]
    silent_s = min(found.age_s for found in ages if found is not None)
    if "job" in holder:
        return LeaseState(silent_s < JOB_WAITS_S, holder, silent_s, to_come=True)
    return LeaseState(silent_s < SILENT_AFTER_S, holder, silent_s)


def _holder(datastore: Datastore, flow: str, run: str) -> dict[str, Any] | None:
    numbers = [int(found.key.rpartition("/")[2]) for found in datastore.list(keys.lease_prefix(flow, run))]
    if not numbers:
        return None
    found = records.read(datastore, keys.lease(flow, run, max(numbers)))
    return {**(found or {}), "number": max(numbers)}


def _lock_path(datastore: Datastore, flow: str, run: str) -> str:
    path = datastore.local_path(keys.run_lock(flow, run))
    if path is not None:
        return path
    import tempfile

    return os.path.join(tempfile.gettempdir(), f"penstock-{os.getuid()}", f"{keys.part(run)}.lock")


def _is_locked(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def hold_for_job(datastore: Datastore, flow: str, run: str, user: str, job: str) -> None:
    """Until a job takes the lease that is to drive the run, nobody else does without being told. job: what it is."""
    data = {"token": records.new_token(), "host": "", "user": user, "since_s": time.time(), "job": job}
    records.claim(datastore, keys.lease(flow, run, 1), "lease", data)  # not won: it drives already


def wake_driver(datastore: Datastore, flow: str, run: str, found: LeaseState) -> None:
    """Where the driver is a process of this machine, tell it at once that it is asked to end:
    SIGTERM ends a run in order."""
    holder = found.holder or {}
    if holder.get("host") != os.uname().nodename or found.silent_s is not None:
        return
    if holder.get("pid") in holders(_lock_path(datastore, flow, run)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(holder["pid"], signal.SIGTERM)


class Lease:
    """The right to drive a run. `lock_fd` is inherited by hosts and attempts; it never becomes free while one lives."""

    def __init__(self, datastore: Datastore, flow: str, run: str, user: str) -> None:
        self.datastore, self.flow, self.run, self.user = datastore, flow, run, user
        self.token = records.new_token()
        self.lock_fd = -1
        self.just_beat = False  # whether the last call of `beat` said something: the moment to look what it is asked
        self._number = 0
        self._hosts: list[int] = []
        self._beaten_at = time.monotonic()
        self._beats = 0

    def take(self, *, new: bool = False, takeover: bool = False, for_job: bool = False) -> None:
        """Become the driver. new: the run was made a moment ago, nobody else can hold it. for_job: in the place of a
        job that has not begun.

        Raises RunDriven when somebody else drives, or a process of a dead driver still holds the lock.
        """
        if not new:
            found = state(self.datastore, self.flow, self.run)
            if found.alive and found.silent_s is not None and not takeover and not (for_job and found.to_come):
                raise RunDriven(
                    f"{self.flow}/{self.run} is driven by {found}",
                    hint=f"flow continue {self.flow}/{self.run} --takeover   # if you know that it is dead",
                )
        self._lock(wait_s=LOOK_WAIT_S if new else LOCK_WAIT_S)  # a dead driver's attempts are ended first
        try:
            self._claim(new, takeover)
        except BaseException:
            self.release()
            raise

    def _claim(self, new: bool, takeover: bool) -> None:
        number = 0 if new else self._highest()
        while True:
            number += 1
            won, _ = records.claim(self.datastore, keys.lease(self.flow, self.run, number), "lease", self._data())
            if won:
                self._number = number
                return
            if not takeover:
                raise RunDriven(f"{self.flow}/{self.run}: another scheduler took the lease at the same moment")

    def _data(self) -> dict[str, Any]:
        return {
            "token": self.token,
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "user": self.user,
            "since_s": time.time(),
        }

    def _highest(self) -> int:
        holder = _holder(self.datastore, self.flow, self.run)
        return holder["number"] if holder else 0

    def _lock(self, wait_s: float) -> None:
        path = _lock_path(self.datastore, self.flow, self.run)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                self._refuse_or_wait(path, until, fd)
        self.lock_fd = fd

    def _refuse_or_wait(self, path: str, until: float, fd: int) -> None:
        holder = _holder(self.datastore, self.flow, self.run)
        driver = (holder or {}).get("pid")
        pids = holders(path)
        if driver not in pids:
            self._end_attempts(pids)
        if driver in pids or (not pids and time.monotonic() > until):
            os.close(fd)
            raise RunDriven(
                f"{self.flow}/{self.run} is driven by {LeaseState(True, holder)}",
                hint=f"flow cancel {self.flow}/{self.run}   # to end it",
            )
        if time.monotonic() > until:
            os.close(fd)
            named = ", ".join(f"{pid} ({_command(pid)})" for pid in pids)
            raise RunDriven(
                f"the driver of {self.flow}/{self.run} is dead, but these processes of its tasks still run: {named}",
                hint=f"kill {' '.join(map(str, pids))}",
            )
        time.sleep(0.05)

    def _end_attempts(self, pids: list[int]) -> None:
        """Of a dead driver: end the process groups in the sessions of its hosts. Who left them by `setsid` stays."""
        beat = records.read(self.datastore, keys.run_beat(self.flow, self.run)) or {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(pid) in beat.get("hosts", ()):
                    os.killpg(os.getpgid(pid), signal.SIGKILL)

    def keep_host(self, pid: int) -> None:
        """Record a host, which leads the session of its attempts: a successor ends what is left there."""
        self._hosts.append(pid)
        self.beat(now=True)

    def beat(self, *, now: bool = False) -> bool:
        """Say that the driver lives, at most every 10 s. False when the lease was taken by another: stop writing."""
        self.just_beat = now or time.monotonic() - self._beaten_at >= BEAT_EVERY_S
        if not self.just_beat:
            return True
        try:
            if self._highest() != self._number:
                return False
            body = {"token": self.token, "beat": self._beats + 1, "hosts": self._hosts}
            self.datastore.put(keys.run_beat(self.flow, self.run), records.encode("beat", body), replace=True)
        except BackendUnavailable:
            self._beaten_at = time.monotonic() - BEAT_EVERY_S + BEAT_AGAIN_S
            self.just_beat = False
            return True  # it is said a little later; who waits for it waits for six of them
        self._beaten_at = time.monotonic()
        self._beats += 1
        return True

    def release(self) -> None:
        """Let go of the lock. The lease object stays: it tells who drove."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1


def holders(path: str) -> list[int]:
    """Processes that have the lock's file open, this one excluded. Empty where the system can't tell."""
    found = []
    target = os.path.realpath(path)
    for pid in _pids():
        if pid == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == target:
                        found.append(pid)
                        break
    return found


def _pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                yield int(name)


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(200).replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return "?"
