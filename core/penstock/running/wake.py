"""What ends a wait of the scheduler's loop from another thread, or from a signal handler."""

from __future__ import annotations

import contextlib
import os
import select
import threading


class Wake:
    """A pipe that is read for nothing but its being readable."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._closed = False
        self._calling = threading.RLock()  # a signal handler may come in between

    def fileno(self) -> int:
        """Readable once somebody has called."""
        return self._read

    def call(self) -> None:
        """End the present wait, or the next one."""
        with self._calling, contextlib.suppress(BlockingIOError):
            if not self._closed:
                os.write(self._write, b".")

    def clear(self) -> None:
        """Forget all calls so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def wait(self, timeout_s: float) -> None:
        """Wait for a call."""
        if select.select([self._read], [], [], timeout_s)[0]:
            self.clear()

    def close(self) -> None:
        """Free the descriptors. A thread that calls later has no effect."""
        with self._calling:  # else a late call would write into whatever has the number by then
            self._closed = True
            os.close(self._read)
            os.close(self._write)
