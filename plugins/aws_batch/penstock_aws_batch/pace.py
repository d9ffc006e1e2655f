"""How fast one action may be called: as fast as AWS lets us, and slower as soon as it says so."""

from __future__ import annotations

import random
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FASTEST = 50.0  # calls a second; AWS's limit on SubmitJob for a whole account
SLOWEST = 0.5
_GAIN = 0.5  # calls a second more, for each one that went well
_LONGEST_S = 10.0


class Pace:
    """Calls a second: halved by a refusal, raised a little by every call that went well. For any number of threads.

    clock, sleep: of the process; a test gives its own.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.rate = FASTEST
        self._clock, self._sleep = clock, sleep
        self._next = 0.0
        self._refused = 0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for one's turn."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + 1.0 / self.rate
        if turn > now:
            self._sleep(turn - now)

    def went_well(self) -> None:
        """A call was answered."""
        with self._lock:
            self._refused = 0
            self.rate = min(FASTEST, self.rate + _GAIN)

    def refused(self) -> None:
        """A call came too soon: wait twice as long as last time, and a random part of it less."""
        with self._lock:
            self._refused += 1
            self.rate = max(SLOWEST, self.rate / 2)
            wait_s = min(_LONGEST_S, 0.1 * 2**self._refused) * random.uniform(0.5, 1.0)
            self._next = max(self._next, self._clock() + wait_s)
