"""The scheduler's side of an executor: start jobs, cancel them, hear what became of them.

An executor that drives the hosts of this machine is called directly: its waiting is the loop's waiting. One whose jobs
are elsewhere may take seconds to answer, so it is called from a thread of its own, and the loop only takes from a
queue.
"""

from __future__ import annotations

import contextlib
import time
from _queue import Empty, SimpleQueue  # `queue` has more, and takes `threading` along
from collections import deque

from penstock.contracts.executor import JobState, JobStatus
from penstock.errors import BackendUnavailable, PenstockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from penstock.contracts.executor import Executor, Job

    class Jobs(Protocol):
        """What the scheduler knows of an executor."""

        executor: Executor

        def start(self, *jobs: Job, adopt: bool) -> None: ...
        def cancel(self, names: Iterable[str]) -> None: ...
        def ask_tail(self, name: str) -> None: ...
        def forget(self, name: str) -> None: ...
        def sweep(self) -> None: ...
        def events(self, timeout_s: float) -> list[JobEvent]: ...
        def close(self, note: Callable[[str], None]) -> None: ...


JOBS_AT_ONCE = 100  # handed over by one call
UNAVAILABLE_WAIT_S = 5.0  # before a platform that can't be asked is asked again
TAIL_BYTES = 4096  # of what the platform itself kept of a job's output
QUIET_WAIT_S, CLOSE_WAIT_S = 2.0, 120.0  # at the end, for what the executor still does; before and after that is told
_CANCELLED = JobStatus(state=JobState.FAILED, reason="cancelled before it began")

ENDED, REJECTED, TAIL, REMARK = "ended", "rejected", "tail", "remark"


class JobEvent:
    """kind: ENDED (`status` says how), REJECTED (it can never run there, `text` says why), TAIL (`text` is the end of
    what the platform kept of its output), REMARK (`text` is for the user; no job is meant). name: the job's."""

    __slots__ = ("kind", "name", "status", "text")

    def __init__(self, kind: str, name: str, status: JobStatus | None = None, text: str = "") -> None:
        self.kind, self.name, self.status, self.text = kind, name, status, text

    def __repr__(self) -> str:
        return f"JobEvent({self.kind!r}, {self.name!r}, {self.status!r}, {self.text!r})"


class _Known:
    """The jobs that an executor has or shall get, and its answers as events. One thread calls the executor."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.waiting: deque[tuple[Job, bool]] = deque()  # not submitted yet; whether the platform may have it already
        self.handles: dict[str, str] = {}  # handle -> name, of jobs that run
        self._ended: dict[str, str] = {}  # name -> handle, of jobs that may still be asked about
        self._settled: set[str] = set()  # names of jobs that nobody asks about any more, though they have not ended
        self._unwanted: set[str] = set()  # names of waiting jobs that shall only be ended, if the platform has them
        self._to_cancel: set[str] = set()  # handles that the platform could not be asked to cancel yet
        self._not_before = 0.0
        self._silent = False

    def submit(self) -> list[JobEvent]:
        """Hand over what waits, up to `JOBS_AT_ONCE` together, and never a part of a gang; what the platform can't be
        asked now waits on."""
        if not self.is_ready:
            return []
        some = [self.waiting.popleft() for _ in range(min(len(self.waiting), JOBS_AT_ONCE))]
        while self.waiting and some[-1][0].gang is not None and self.waiting[0][0].gang is not None:
            some.append(self.waiting.popleft())
        try:
            adopted = self._adopted([job.name for job, adopt in some if adopt])
        except BackendUnavailable as error:
            self.waiting.extendleft(reversed(some))
            return self._unavailable(error)
        self.handles.update((handle, name) for name, handle in adopted.items())
        self._to_cancel |= {handle for name, handle in adopted.items() if name in self._unwanted}
        left = [job for job, _ in some if job.name not in adopted]
        found = [JobEvent(ENDED, job.name, _CANCELLED) for job in left if job.name in self._unwanted]
        found += self._submit([job for job in left if job.name not in self._unwanted])
        self._unwanted -= {job.name for job, _ in some}
        return found + self._cancel_now()

    def _submit(self, some: Sequence[Job]) -> list[JobEvent]:
        found: list[JobEvent] = []
        trouble: BackendUnavailable | None = None
        answers: Sequence[str | PenstockError]
        try:
            answers = self.executor.submit_many(some) if some else ()
        except BackendUnavailable as error:
            answers = [error] * len(some)
        for job, answer in reversed(list(zip(some, answers, strict=True))):
            if isinstance(answer, str):
                self.handles[answer] = job.name
            elif isinstance(answer, BackendUnavailable):  # an answer may be lost, too, and the job be there
                self.waiting.appendleft((job, True))
                trouble = answer
            else:
                found.append(JobEvent(REJECTED, job.name, text=answer.in_one_line))
        return found if trouble is None else found + self._unavailable(trouble)

    @property
    def is_ready(self) -> bool:
        """Whether jobs wait, and the platform may be asked."""
        return bool(self.waiting) and time.monotonic() >= self._not_before

    def _adopted(self, names: Sequence[str]) -> Mapping[str, str]:
        return self.executor.adopt(names) if names else {}

    def poll(self, timeout_s: float) -> list[JobEvent]:
        """Ask for all that run; jobs that have ended are not asked for again."""
        if not self.handles:
            return self._cancel_now()
        try:
            statuses = self.executor.poll(list(self.handles), timeout_s)
        except BackendUnavailable as error:
            return self._unavailable(error)
        self._silent = False
        found = self._cancel_now()
        for handle, status in statuses.items():
            if status.state.ended and handle in self.handles:
                name = self.handles.pop(handle)
                self._ended[name] = handle
                if name in self._settled:
                    found += self.forget(name)
                found.append(JobEvent(ENDED, name, status))
        return found

    def cancel(self, names: set[str]) -> list[JobEvent]:
        """Jobs that the platform can't have yet end at once; of others it is asked first."""
        never = {job.name for job, adopt in self.waiting if job.name in names and not adopt}
        self._unwanted |= {job.name for job, _ in self.waiting if job.name in names - never}
        self.waiting = deque(one for one in self.waiting if one[0].name not in never)
        found = [JobEvent(ENDED, name, _CANCELLED) for name in sorted(never)]
        self._to_cancel |= {handle for handle, name in self.handles.items() if name in names}
        self._to_cancel |= {handle for name, handle in self._ended.items() if name in names}
        return found + self.submit() + self._cancel_now()

    def _cancel_now(self) -> list[JobEvent]:
        if self._to_cancel and time.monotonic() >= self._not_before:
            try:
                self.executor.cancel(sorted(self._to_cancel))
            except BackendUnavailable as error:
                return self._unavailable(error)
            self._to_cancel.clear()
        return []

    def tail(self, name: str) -> JobEvent:
        """The end of what the platform kept; empty where it kept nothing or can't be asked."""
        kept = b""
        handle = self._ended.get(name)
        with contextlib.suppress(PenstockError):
            for piece in () if handle is None else self.executor.logs(handle):
                kept = (kept + piece)[-TAIL_BYTES:]
        return JobEvent(TAIL, name, text=kept.decode("utf-8", "replace"))

    def forget(self, name: str) -> list[JobEvent]:
        """Let the executor free what it keeps of a job, once it has ended."""
        handle = self._ended.pop(name, None)
        if handle is None:
            self._settled |= {one for one in self.handles.values() if one == name}
            return []
        self._settled.discard(name)
        try:
            self.executor.forget([handle])
        except PenstockError as error:  # `sweep` does it again
            return [JobEvent(REMARK, "", text=str(error))]
        return []

    def sweep(self) -> list[JobEvent]:
        """The run is over."""
        try:
            self.executor.sweep()
        except PenstockError as error:
            return [JobEvent(REMARK, "", text=f"not all of its jobs could be freed: {error}")]
        return []

    def _unavailable(self, error: BackendUnavailable) -> list[JobEvent]:
        self._not_before = time.monotonic() + UNAVAILABLE_WAIT_S
        if self._silent:
            return []
        self._silent = True
        return [JobEvent(REMARK, "", text=f"waiting for the executor: {error}")]

    @property
    def at_work(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self.handles or self.waiting or self._to_cancel)


class JobsHere:
    """Calls the executor in the loop's own thread."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self._known = _Known(executor)
        self._events: list[JobEvent] = []

    def start(self, *jobs: Job, adopt: bool) -> None:
        """Hand jobs over, several together; what the executor says to them comes as events."""
        self._known.waiting.extend((job, adopt) for job in jobs)
        self._events += self._known.submit()

    def cancel(self, names: Iterable[str]) -> None:
        """Does not wait."""
        self._events += self._known.cancel(set(names))

    def ask_tail(self, name: str) -> None:
        """A TAIL event follows."""
        self._events.append(self._known.tail(name))

    def forget(self, name: str) -> None:
        """Nobody asks about this job any more."""
        self._events += self._known.forget(name)

    def sweep(self) -> None:
        """The run is over."""
        self._events += self._known.sweep()

    def events(self, timeout_s: float) -> list[JobEvent]:
        """What happened, after waiting at most `timeout_s` seconds for a first event."""
        self._events += self._known.submit()
        if self._known.at_work:
            self._events += self._known.poll(0.0 if self._events else timeout_s)
        if not self._known.handles and not self._events:
            time.sleep(timeout_s)
        found, self._events = self._events, []
        return found

    def close(self, note: Callable[[str], None]) -> None:
        """Free what the executor holds. note: takes remarks for the user."""
        self.executor.close()
        _tell(self._events, note)


def _tell(found: Iterable[JobEvent], note: Callable[[str], None]) -> None:
    """What nobody else hears any more: remarks on the end."""
    for event in found:
        if event.kind == REMARK:
            note(event.text)


class Bell:
    """By which an executor calls for a `poll`, from any thread; made before there is anybody to hear it."""

    def __init__(self) -> None:
        self.hear: Callable[[], None] | None = None

    def ring(self) -> None:
        """Ask for a `poll`."""
        if self.hear is not None:
            self.hear()


class JobsElsewhere:
    """Calls the executor from one thread. wake: called from it when there is something in `events`."""

    def __init__(self, executor: Executor, wake: Callable[[], None], bell: Bell) -> None:
        self.executor = executor
        self._known = _Known(executor)
        self._wake = wake
        self._errands: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._events: SimpleQueue[JobEvent] = SimpleQueue()
        import threading  # most runs have no such thread

        self._thread = threading.Thread(target=self._work, name="penstock executor", daemon=True)
        self._failure: BaseException | None = None
        self._rung = False
        bell.hear = self._poll_soon
        self._thread.start()

    def _poll_soon(self) -> None:
        if not self._rung:
            self._rung = True
            self._errands.put(("poll", None))

    def start(self, *jobs: Job, adopt: bool) -> None:
        """Hand jobs over, several together; what the executor says to them comes as events."""
        self._errands.put(("start", [(job, adopt) for job in jobs]))

    def cancel(self, names: Iterable[str]) -> None:
        """Does not wait."""
        self._errands.put(("cancel", set(names)))

    def ask_tail(self, name: str) -> None:
        """A TAIL event follows."""
        self._errands.put(("tail", name))

    def forget(self, name: str) -> None:
        """Nobody asks about this job any more."""
        self._errands.put(("forget", name))

    def sweep(self) -> None:
        """The run is over; `close` comes next."""
        self._errands.put(("sweep", None))

    def events(self, timeout_s: float) -> list[JobEvent]:
        """What happened; never waits, for whoever waits is woken. Raises what the executor's thread died of."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return self._heard()

    def _heard(self) -> list[JobEvent]:
        found = []
        with contextlib.suppress(Empty):
            while True:
                found.append(self._events.get_nowait())
        return found

    def close(self, note: Callable[[str], None]) -> None:
        """Free what the executor holds, after what it was asked to do. note: takes remarks for the user.

        Waits for two minutes at most, and says so; Ctrl-C ends the wait.
        """
        self._errands.put(("close", None))
        self._thread.join(QUIET_WAIT_S)
        if self._thread.is_alive():
            note(f"waiting for its last calls, {CLOSE_WAIT_S:.0f} s at most; Ctrl-C to wait no longer")
            with contextlib.suppress(KeyboardInterrupt):
                self._thread.join(CLOSE_WAIT_S)
        _tell(self._heard(), note)
        if self._thread.is_alive():
            note("it has not ended its last calls: look there for jobs that are left")
        elif self._failure is not None:
            note(f"not all of its jobs could be freed: {type(self._failure).__name__}: {self._failure}")

    def _work(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as error:  # noqa: BLE001 - raised again in the loop
            self._failure = error
            self._wake()
        finally:
            self.executor.close()

    def _turn(self) -> bool:
        """Do errands until it is time to ask again; False once told to close."""
        until = time.monotonic() + self.executor.poll_interval_s
        while True:
            left_s = until - time.monotonic()
            try:
                errand, what = self._errands.get(timeout=self._patience_s(left_s))
            except Empty:
                if not self._known.is_ready:
                    break
                self._say(self._known.submit())  # what has come together goes together
            else:
                if errand == "close":
                    return False
                if errand == "poll":
                    break
                self._do(errand, what)
            if left_s <= 0:
                break
        self._rung = False
        self._say(self._known.submit())
        if self._known.at_work:
            self._say(self._known.poll(0.0))
        return True

    def _patience_s(self, left_s: float) -> float | None:
        """How long to wait for an errand: not at all while jobs can be handed over, for ever while there is nothing."""
        if self._known.is_ready:
            return 0.0
        return max(0.0, left_s) if self._known.at_work else None

    def _do(self, errand: str, what: Any) -> None:
        if errand == "start":
            self._known.waiting.extend(what)
        elif errand == "cancel":
            self._say(self._known.cancel(what))
        elif errand == "forget":
            self._say(self._known.forget(what))
        elif errand == "sweep":
            self._say(self._known.sweep())
        else:
            self._say([self._known.tail(what)])

    def _say(self, found: list[JobEvent]) -> None:
        for event in found:
            self._events.put(event)
        if found:
            self._wake()
