"""Forked processes that do one thing at once, for suites that let many writers meet."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def fork() -> int:
    """`os.fork`, without the warning of Python 3.12 about threads: a suite's own threads wait for nothing here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        sys.stdout.flush()
        sys.stderr.flush()
        return os.fork()


def in_children(count: int, work: Callable[[int], Any]) -> list[Any]:
    """`work(number)` in as many forked processes, which begin together; what each returns, in order.

    Raises AssertionError with the traceback of a child that failed.
    """
    gate, opener = os.pipe()
    pipes: list[tuple[int, int]] = []
    for number in range(count):
        out, into = os.pipe()
        pid = fork()
        if not pid:
            os.close(opener)
            os.close(out)
            os.read(gate, 1)  # the end of the stream, once the parent opens the gate for all
            _answer(into, work, number)
        os.close(into)
        pipes.append((pid, out))
    os.close(opener)
    answers = []
    for pid, out in pipes:
        with open(out, "rb") as stream:
            raw = stream.read()
        os.waitpid(pid, 0)
        answers.append(pickle.loads(raw) if raw else (False, "the child died without a word"))
    os.close(gate)
    for good, answer in answers:
        assert good, f"in a child process:\n{answer}"
    return [answer for _, answer in answers]


def _answer(into: int, work: Callable[[int], Any], number: int) -> None:
    """In the child: do the work, say what it gave, never return."""
    try:
        said = pickle.dumps((True, work(number)))
    except BaseException:  # noqa: BLE001  the parent tells of it
        said = pickle.dumps((False, traceback.format_exc()))
    try:
        while said:
            said = said[os.write(into, said) :]
    finally:
        os._exit(0)


def _say(into: int, number: int) -> None:
    os.write(into, number.to_bytes(4, "big"))


class Victim:
    """A forked process that says how far it has got, until it is killed.

    work: gets a function that it calls with each number that is done.
    """

    def __init__(self, work: Callable[[Callable[[int], None]], None]) -> None:
        out, into = os.pipe()
        self._pid = fork()
        if not self._pid:
            os.close(out)
            try:
                work(lambda number: _say(into, number))
            except BaseException:  # noqa: BLE001  the parent misses a number
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(0)
        os.close(into)
        self._out = out

    def kill_after(self, number: int, meanwhile: Callable[[], object] = lambda: None) -> int:
        """SIGKILL once it said that `number` is done, wherever it is by then; returns the last number that it said.

        meanwhile: done before the kill, so that it does not always fall on the same moment.
        Raises AssertionError when it ended before.
        """
        last = -1
        while last < number and (raw := os.read(self._out, 4)):
            last = int.from_bytes(raw, "big")
        meanwhile()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        while raw := os.read(self._out, 4):
            last = int.from_bytes(raw, "big")
        os.close(self._out)
        assert last >= number, "the child ended by itself"
        return last
