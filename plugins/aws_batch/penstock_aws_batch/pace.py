"""How fast one action may be called: as fast as AWS lets us, and slower as soon as it says so."""

from __future__ import annotations

import random
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FASTEST = 50.0  # calls a second; AWS's limit on SubmitJob for a whole account
SLOWEST = 0.5
_GAIN = 0.5  # calls a second more, for each one that went well
_LONGEST_S = 10.0


class Pace:
    """Calls a second: halved by a refusal, raised a little by every call that went well.

    clock, sleep: of the process; a test gives its own.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.rate = FASTEST
        self._clock, self._sleep = clock, sleep
        self._next = 0.0
        self._refused = 0

    def wait(self) -> None:
        """Wait for one's turn."""
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + 1.0 / self.rate

    def went_well(self) -> None:
        """A call was answered."""
        self._refused = 0
        self.rate = min(FASTEST, self.rate + _GAIN)

    def refused(self) -> None:
        """A call came too soon: wait twice as long as last time, and a random part of it less."""
        self._refused += 1
        self.rate = max(SLOWEST, self.rate / 2)
        wait_s = min(_LONGEST_S, 0.1 * 2**self._refused) * random.uniform(0.5, 1.0)
        self._next = max(self._next, self._clock() + wait_s)
