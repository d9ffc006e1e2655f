"""Errands: what has to wait for the engine, done by a few threads. What finds the engine away is done again later."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

from penstock.errors import BackendUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], None]
    Failed = Callable[[Exception], None]

AGAIN_S = 1.0  # before what found the engine away is tried again
_THREADS = 8  # that wait for the engine


class Errands:
    """trouble: what an errand has met that found the engine away, None once another one has succeeded. Nobody is called
    for it: who asks once a second soon knows."""

    def __init__(self) -> None:
        self.trouble: BackendUnavailable | None = None
        self._not_before = 0.0
        self._later: list[tuple[Work, Failed]] = []
        self._pending: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="penstock docker")

    def do(self, work: Work, failed: Failed) -> None:
        """Do it in a thread. failed: takes the error of one that can't succeed. Nothing is done after `close`."""
        with self._lock:
            if self._closed:
                return
            future = self._threads.submit(self._done, work, failed)
            self._pending.add(future)
        future.add_done_callback(self._over)

    def _over(self, future: Future[None]) -> None:
        with self._lock:
            self._pending.discard(future)

    def _done(self, work: Work, failed: Failed) -> None:
        try:
            work()
        except BackendUnavailable as error:
            with self._lock:
                self._later.append((work, failed))
                self._not_before = time.monotonic() + AGAIN_S
            self.trouble = error
        except Exception as error:  # noqa: BLE001 - nobody waits for what a thread raises
            failed(error)
        else:
            self.trouble = None

    def again(self) -> None:
        """Do what has found the engine away, if that is some time ago."""
        with self._lock:
            if time.monotonic() < self._not_before:
                return
            later, self._later = self._later, []
        for work, failed in later:
            self.do(work, failed)

    def settle(self, timeout_s: float) -> None:
        """Wait until nothing is under way."""
        with self._lock:
            pending = list(self._pending)
        wait(pending, timeout_s)

    def close(self) -> None:
        """End when all that was begun is done."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=True)
