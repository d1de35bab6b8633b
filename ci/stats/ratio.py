"""How many times more often does it fail? The ratio of two rates, with its interval.

Given all failures together, those on one side are binomial (Przyborowski and Wilenski 1940), so
the exact binomial limits give limits of the ratio; exact for rare failures.
"""

from __future__ import annotations

import math

from ci.model import Record
from ci.stats.binomial import interval


class Ratio(Record, frozen=True, kw_only=True):
    """``value`` is the estimate; it lies between ``low`` and ``high`` with the confidence."""

    value: float
    low: float
    high: float


def rate_ratio(
    failed: int, exposure: float, failed_plain: int, exposure_plain: float, confidence: float
) -> Ratio:
    """The rate of ``failed`` per ``exposure`` (loops or seconds) against the plain one."""
    together = failed + failed_plain
    if not together or not exposure or not exposure_plain:
        return Ratio(value=1.0, low=0.0, high=math.inf)
    scale = exposure_plain / exposure
    low, high = interval(failed, together, confidence)
    value = failed / failed_plain * scale if failed_plain else math.inf
    return Ratio(value=value, low=_odds(low) * scale, high=_odds(high) * scale)


def _odds(share: float) -> float:
    return math.inf if share >= 1.0 else share / (1.0 - share)
