"""A clock that moves only when slept on."""

from __future__ import annotations


class FakeClock:
    """Satisfies ``ci.deadline.Clock``."""

    def __init__(self) -> None:
        self.now = 0.0

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
