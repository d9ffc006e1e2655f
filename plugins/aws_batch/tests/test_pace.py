"""How fast one may call, on a clock of the test's own."""

from __future__ import annotations

from penstock_aws_batch.pace import FASTEST, SLOWEST, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def calls_within(pace: Pace, clock: Clock, seconds: float) -> int:
    until, count = clock.now + seconds, 0
    while clock.now < until:
        pace.wait()
        pace.went_well()
        count += 1
    return count


def test_never_faster_than_allowed() -> None:
    clock = Clock()
    assert calls_within(Pace(clock.read, clock.sleep), clock, 10.0) <= 10 * FASTEST + 2


def test_refusals_slow_it_down_and_answers_speed_it_up() -> None:
    clock = Clock()
    pace = Pace(clock.read, clock.sleep)
    for _ in range(20):
        pace.wait()
        pace.refused()
    assert pace.rate == SLOWEST
    assert clock.now > 30.0  # each time longer, to a limit
    assert calls_within(pace, clock, 10.0) < 10 * FASTEST / 2
    calls_within(pace, clock, 60.0)
    assert pace.rate == FASTEST
