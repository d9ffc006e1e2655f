"""What jobs elsewhere print, while they run: read from the log sink by a thread of its own, shown by the loop.

Nobody else brings it: an executor knows processes, not what they print. It costs little, however many jobs there are:
each is looked at once a second at most and less often the longer it is silent, all together `LOOKS_A_SECOND` times.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time

from penstock.contracts.logsink import STDERR, STDOUT, LogStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.contracts.logsink import LogSink
    from penstock.storage.keys import At

FIRST_LOOK_S = 3.0  # a host begins a log after 2 s (`pump.py`): output of a shorter attempt comes with its record
LOOK_EVERY_S = 1.0
SILENT_EVERY_S = 16.0  # of an attempt that has long said nothing
LOOKS_A_SECOND = 20.0
CLOSE_WAIT_S = 5.0
_PIECES = 64  # of a stream that are taken at one look


class _Followed:
    """An attempt. read: how much of each stream the thread has, shown: and the loop; pause_s: how long it is let alone;
    over: nobody follows it any more."""

    __slots__ = ("at", "over", "pause_s", "read", "shown")

    def __init__(self, at: At) -> None:
        self.at = at
        self.read, self.shown = {STDOUT: 0, STDERR: 0}, {STDOUT: 0, STDERR: 0}
        self.pause_s = LOOK_EVERY_S
        self.over = False


class LiveOutput:
    """wake: called from the thread when there is something in `news`. The other methods are the loop's."""

    def __init__(self, sink: LogSink, wake: Callable[[], None]) -> None:
        self._sink, self._wake = sink, wake
        self._followed: dict[str, _Followed] = {}
        self._found: queue.SimpleQueue[tuple[_Followed, str, bytes]] = queue.SimpleQueue()
        self._due: list[tuple[float, int, _Followed]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def follow(self, name: str, at: At) -> None:
        """An attempt has been handed over."""
        one = self._followed[name] = _Followed(at)
        self._look_later(one, FIRST_LOOK_S)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="penstock live output", daemon=True)
            self._thread.start()

    def news(self) -> list[tuple[str, str, str, bytes]]:
        """Step, place, stream and bytes, of what came since the last call. Never waits."""
        found: list[tuple[str, str, str, bytes]] = []
        while True:
            try:
                one, source, piece = self._found.get_nowait()
            except queue.Empty:
                return found
            if not one.over:  # else its record has come meanwhile, with everything
                one.shown[source] += len(piece)
                found.append((one.at[2], one.at[3], source, piece))

    def end(self, name: str) -> Mapping[str, int]:
        """The attempt is over; how many bytes of each stream `news` has given."""
        one = self._followed.pop(name, None)
        if one is None:
            return dict.fromkeys((STDOUT, STDERR), 0)
        one.over = True
        return one.shown

    def close(self) -> None:
        """Follow nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(CLOSE_WAIT_S)  # a store that does not answer holds up nobody

    # -- in the thread

    def _look_later(self, one: _Followed, delay_s: float) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._order), one))
            if self._due[0][2] is one:  # else the thread waits for another one anyway
                self._changed.notify()

    def _work(self) -> None:
        while (one := self._next()) is not None:
            began = time.monotonic()
            came = self._look(one)
            one.pause_s = LOOK_EVERY_S if came else min(2 * one.pause_s, SILENT_EVERY_S)
            self._look_later(one, one.pause_s)
            took_s = time.monotonic() - began
            with self._changed:  # a store that is slow is asked less often
                self._changed.wait_for(lambda: self._closed, max(took_s, 1.0 / LOOKS_A_SECOND))

    def _next(self) -> _Followed | None:
        """Whom to look at, when it is time; None when all is over."""
        with self._changed:
            while not self._closed:
                while self._due and self._due[0][2].over:
                    heapq.heappop(self._due)
                left_s = self._due[0][0] - time.monotonic() if self._due else None
                if left_s is not None and left_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left_s)
        return None

    def _look(self, one: _Followed) -> bool:
        """Whether something new came."""
        came = False
        for source in one.read:
            stream = LogStream(*one.at, source)
            for _ in range(_PIECES):
                if self._closed or one.over:
                    break
                try:
                    piece = self._sink.piece_at(stream, one.read[source])
                except Exception:  # noqa: BLE001  whatever a sink raises: the next look, or the record, has it
                    break
                if not piece:
                    break
                one.read[source] += len(piece)
                self._found.put((one, source, piece))
                came = True
        if came:
            self._wake()
        return came
