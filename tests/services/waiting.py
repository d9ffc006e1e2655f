"""To wait for what must become so."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

LIMIT_S = 120.0  # a busy machine is slow; only a fault takes so long


def until(found: Callable[[], T], what: str = "it never came to be") -> T:
    """The first value that is true."""
    last = time.monotonic() + LIMIT_S
    while not (value := found()):
        assert time.monotonic() < last, what
        time.sleep(0.02)
    return value
