"""A wake: a call ends one wait, however many there were, and may come from anywhere at any time."""

from __future__ import annotations

import os
import select

from penstock.running.wake import Wake


def called(wake: Wake) -> bool:
    return bool(select.select([wake], [], [], 0.0)[0])


def test_many_calls_end_one_wait() -> None:
    wake = Wake()
    for _ in range(100_000):
        wake.call()  # a full pipe holds nobody up
    assert called(wake)
    wake.wait(3600.0)
    assert not called(wake)
    wake.call()
    wake.clear()
    assert not called(wake)
    wake.close()


def test_a_call_after_the_end_writes_into_no_stranger_s_descriptor() -> None:
    wake = Wake()
    wake.close()
    stranger = os.pipe()  # gets the numbers that are free
    wake.call()
    assert not select.select([stranger[0]], [], [], 0.0)[0]
    for fd in stranger:
        os.close(fd)
