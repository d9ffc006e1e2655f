"""Requests at once: threads that live as long as one bulk call, so that none is there when a process forks."""

from __future__ import annotations

import itertools
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")
    R = TypeVar("R")


def in_threads(work: Callable[[T], R], items: Iterable[T], width: int) -> Iterator[R]:
    """`work` of each item, in order, on at most `width` threads; items are taken as they are needed.

    Raises what the first one that failed raised. One item needs no thread.
    """
    waiting = iter(items)
    first = list(itertools.islice(waiting, 2))
    if len(first) < 2:
        yield from map(work, first)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(width, thread_name_prefix="penstock-s3") as pool:
        begun = deque(pool.submit(work, one) for one in (*first, *itertools.islice(waiting, 2 * width - 2)))
        try:
            while begun:
                yield begun.popleft().result()
                begun.extend(pool.submit(work, one) for one in itertools.islice(waiting, 1))
        finally:
            for one in begun:
                one.cancel()
