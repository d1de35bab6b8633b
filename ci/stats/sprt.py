"""The sequential probability ratio test (Wald 1945): stop as soon as it is clear, either way."""

from __future__ import annotations

import enum
import math
from random import Random

from ci.model import Record


class Decision(enum.StrEnum):
    """What the loops so far say about the rate."""

    OPEN = "open"
    GOOD = "good"
    BAD = "bad"


class Sprt(Record, frozen=True, kw_only=True):
    """Tells a rate of ``bad`` or more from one of ``good`` or less.

    ``alpha``: chance to call a bad rate good; ``beta``: chance to call a good rate bad. A ``good``
    of zero means that a single failure decides, and then ``beta`` is zero.
    """

    bad: float
    good: float = 0.0
    alpha: float = 0.05
    beta: float = 0.05

    def evidence(self, failed: int, passed: int) -> float:
        """The log likelihood ratio of good against bad."""
        if self.good == 0.0 and failed:
            return -math.inf
        worse = failed * math.log(self.good / self.bad) if failed else 0.0
        return worse + passed * (math.log1p(-self.good) - math.log1p(-self.bad))

    @property
    def limits(self) -> tuple[float, float]:
        """Evidence at or below the first means bad, at or above the second means good."""
        beta = self.beta if self.good else 0.0
        low = math.log(beta / (1.0 - self.alpha)) if beta else -math.inf
        return low, math.log((1.0 - beta) / self.alpha)

    def decide(self, failed: int, passed: int) -> Decision:
        """What is clear after so many loops."""
        low, high = self.limits
        evidence = self.evidence(failed, passed)
        if evidence >= high - 1e-9:
            return Decision.GOOD
        return Decision.BAD if evidence <= low else Decision.OPEN

    def clean_loops_needed(self) -> int:
        """The fewest loops that end in GOOD: all of them passed."""
        step = math.log1p(-self.good) - math.log1p(-self.bad)
        return math.ceil(self.limits[1] / step - 1e-9)

    def clean_loops_after(self, failed: int, passed: int) -> int:
        """How many more loops without a failure end in GOOD."""
        step = math.log1p(-self.good) - math.log1p(-self.bad)
        missing = self.limits[1] - self.evidence(failed, passed)
        return 0 if missing <= 0 else math.ceil(missing / step - 1e-9)


def simulate(test: Sprt, rate: float, random: Random) -> tuple[Decision, int]:
    """How the test ends, and after how many loops, where the true rate is ``rate``."""
    failed = passed = 0
    while (decision := test.decide(failed, passed)) is Decision.OPEN:
        if random.random() < rate:
            failed += 1
        else:
            passed += 1
    return decision, failed + passed
