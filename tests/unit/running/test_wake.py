"""A wake: a call ends one wait, however many there were, and may come from anywhere at any time."""

from __future__ import annotations

from penstock.running.wake import Wake


def test_a_wake_ends_the_next_wait_and_may_be_called_after_its_end() -> None:
    wake = Wake()
    for _ in range(100_000):
        wake.call()  # a full pipe holds nobody up
    wake.wait(3600.0)
    wake.call()
    wake.clear()
    wake.wait(0.0)
    wake.close()
    wake.call()
