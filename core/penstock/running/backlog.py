"""Tasks that are ready and wait for room: pure bookkeeping; what time it is says whoever asks."""

from __future__ import annotations

import heapq
import itertools
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.running.plan import Ready


class Backlog:
    """First come, first served. Tasks of a foreach are made when nothing else waits: a million of them cost nothing."""

    def __init__(self) -> None:
        self._now: deque[Ready] = deque()
        self._wide: deque[Iterator[Ready]] = deque()
        self._later: list[tuple[float, int, Ready]] = []
        self._order = itertools.count()

    def add(self, found: Iterable[Ready]) -> None:
        """Tasks that may start at once."""
        self._now.extend(found)

    def add_wide(self, found: Iterator[Ready]) -> None:
        """Tasks of one foreach, each asked for when it can start."""
        self._wide.append(found)

    def add_later(self, ready: Ready, moment_s: float) -> None:
        """A task that may not start before a moment, on the clock that `next` is told."""
        heapq.heappush(self._later, (moment_s, next(self._order), ready))

    def next(self, now_s: float) -> Ready | None:
        """Take the next task out; None while there is none."""
        while self._later and self._later[0][0] <= now_s:
            self._now.append(heapq.heappop(self._later)[2])
        while not self._now and self._wide:
            ready = next(self._wide[0], None)
            if ready is not None:
                return ready
            self._wide.popleft()
        return self._now.popleft() if self._now else None

    @property
    def moment_s(self) -> float | None:
        """When the first of those comes that may not start yet; None where there is none."""
        return self._later[0][0] if self._later else None

    def clear(self) -> None:
        """None of them shall start any more."""
        self._now.clear()
        self._wide.clear()
        self._later.clear()
