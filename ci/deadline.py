"""Time: clocks that tests can replace, deadlines that are handed down, and the one way to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ci.errors import Interrupted, TimedOut

T = TypeVar("T")


class Clock(Protocol):
    """Where time comes from. Seconds everywhere."""

    def wall(self) -> float:
        """Seconds since the epoch, for records."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""


class SystemClock:
    """The machine's own clock."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment after which nobody may still be waiting.

    When ``stop`` is set (Ctrl-C, SIGTERM) no time is left at once, so that every wait ends early.
    """

    clock: Clock
    at: float
    stop: threading.Event | None = None

    @classmethod
    def after(
        cls, seconds: float, clock: Clock | None = None, stop: threading.Event | None = None
    ) -> Deadline:
        """The moment ``seconds`` from now."""
        clock = clock or SystemClock()
        return cls(clock, clock.monotonic() + seconds, stop)

    def within(self, seconds: float) -> Deadline:
        """An inner limit that can never outlive this one."""
        return Deadline(self.clock, min(self.at, self.clock.monotonic() + seconds), self.stop)

    def remaining(self) -> float:
        """Seconds left, never negative; none when stopped."""
        if self.stopped():
            return 0.0
        return max(0.0, self.at - self.clock.monotonic())

    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self.stop is not None and self.stop.is_set()

    def expired(self) -> bool:
        return self.remaining() <= 0.0

    def check(self, what: str) -> None:
        """Raise Interrupted when stopped, TimedOut when the moment has passed."""
        if self.stopped():
            raise Interrupted(f"stopped before {what}")
        if self.expired():
            raise TimedOut(f"no time left for {what}")


def wait_until(
    what: str, probe: Callable[[], T | None], deadline: Deadline, *, every: float = 1.0
) -> T:
    """Call ``probe`` each ``every`` seconds until it returns something true; return that.

    Raises TimedOut, naming ``what``, when the deadline passes first, and Interrupted when stopped.
    The probe always runs once.
    """
    started = deadline.clock.monotonic()
    while True:
        if answer := probe():
            return answer
        if deadline.stopped():
            raise Interrupted(f"stopped while waiting for {what}")
        if deadline.expired():
            waited = deadline.clock.monotonic() - started
            raise TimedOut(f"{what}: still waiting after {waited:.0f} s")
        deadline.clock.sleep(min(every, max(0.01, deadline.remaining())))
