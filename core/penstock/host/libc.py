"""What Python does not offer of the C library; where it can't be had, nothing happens."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Libc:
    """Two calls that Python does not offer: die with the parent, and flush what C code has printed."""

    def __init__(self, library: Any = None) -> None:
        self._library = library

    def die_with_parent(self, parent: int) -> None:
        """SIGKILL when the process `parent` ends, which started this one. Source: prctl(2), PR_SET_PDEATHSIG = 1."""
        if self._library is not None and sys.platform == "linux":
            self._library.prctl(1, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before it could be watched
            os._exit(1)

    def outlive_parent(self) -> None:
        """Take `die_with_parent` back."""
        if self._library is not None and sys.platform == "linux":
            self._library.prctl(1, 0, 0, 0, 0)

    def flush(self) -> None:
        """fflush(NULL)."""
        if self._library is not None:
            self._library.fflush(None)


def libc() -> Libc:
    """The C library, or one that does nothing where it can't be had."""
    try:
        import ctypes

        return Libc(ctypes.CDLL(None))
    except (ImportError, OSError):
        return Libc()
