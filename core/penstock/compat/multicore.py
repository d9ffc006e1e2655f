"""`parallel_map`: a function over many items in forks of this process, so that any function will do, a lambda too."""

from __future__ import annotations

import os
import pickle
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    A = TypeVar("A")
    R = TypeVar("R")


def parallel_map(
    func: Callable[[A], R], iterable: Iterable[A], max_parallel: int | None = None, dir: str | None = None
) -> list[R]:
    """`[func(item) for item in iterable]` in up to max_parallel processes (default: the processors), in the same order.

    Results must pickle. What func raises is raised here. dir is accepted and not needed: nothing is written.
    """
    del dir
    items = list(iterable)
    share = min(max_parallel or os.cpu_count() or 1, len(items))
    workers = [_start(func, items[first::share]) for first in range(share)]
    found: list[Any] = [None] * len(items)
    failure: BaseException | None = None
    for first, (pid, fd) in enumerate(workers):
        with open(fd, "rb") as stream:
            data = stream.read()
        os.waitpid(pid, 0)
        failed: bool
        answer: Any
        failed, answer = pickle.loads(data) if data else (True, RuntimeError("a process of parallel_map died"))
        if failed:
            failure = failure or answer
        else:
            found[first::share] = answer
    if failure is not None:
        raise failure
    return found


def parallel_imap_unordered(
    func: Callable[[A], R], iterable: Iterable[A], max_parallel: int | None = None, dir: str | None = None
) -> Iterator[R]:
    """As `parallel_map`; the results are all there when the first one is given."""
    yield from parallel_map(func, iterable, max_parallel, dir)


def _start(func: Callable[[Any], Any], items: list[Any]) -> tuple[int, int]:
    """A fork that works on some items: its process, and the descriptor where it answers."""
    out, into = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(into)
        return pid, out
    try:
        os.close(out)
        try:
            answer: tuple[bool, Any] = (False, [func(item) for item in items])
        except Exception as error:  # noqa: BLE001  the user's function
            answer = (True, error)
        with open(into, "wb") as stream:
            try:
                stream.write(pickle.dumps(answer))
            except Exception as error:  # noqa: BLE001  the user's value
                stream.write(pickle.dumps((True, TypeError(f"what parallel_map found can't be pickled: {error}"))))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)
