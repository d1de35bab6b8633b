"""What ``failed`` of ``loops`` says about the rate of failure (Clopper and Pearson 1934)."""

from __future__ import annotations

import math

from ci.errors import UsageError
from ci.stats.beta import beta_quantile, incomplete_beta


def upper_bound(failed: int, loops: int, confidence: float) -> float:
    """The rate is below this with at least ``confidence`` (one-sided, exact)."""
    if failed >= loops:
        return 1.0
    return beta_quantile(confidence, failed + 1, loops - failed)


def lower_bound(failed: int, loops: int, confidence: float) -> float:
    """The rate is above this with at least ``confidence`` (one-sided, exact)."""
    if failed <= 0:
        return 0.0
    return beta_quantile(1.0 - confidence, failed, loops - failed + 1)


def interval(failed: int, loops: int, confidence: float) -> tuple[float, float]:
    """The two-sided exact interval of the rate."""
    each = 1.0 - (1.0 - confidence) / 2
    return lower_bound(failed, loops, each), upper_bound(failed, loops, each)


def clean_loops_needed(rate: float, confidence: float) -> int:
    """How many loops without a failure show that the rate is below ``rate``.

    The smallest n with (1 - rate)^n <= 1 - confidence. Raises UsageError for impossible numbers.
    """
    if not 0.0 < rate < 1.0 or not 0.0 < confidence < 1.0:
        raise UsageError(f"a rate of {rate:g} at {confidence:g} cannot be shown by any loops")
    return math.ceil(math.log(1.0 - confidence) / math.log1p(-rate) - 1e-9)


def at_most(failed: int, loops: int, rate: float) -> float:
    """The chance of at most ``failed`` failures in ``loops`` at this rate."""
    return 1.0 if failed >= loops else incomplete_beta(1.0 - rate, loops - failed, failed + 1)


def fixed_plan(bad: float, good: float, alpha: float, beta: float) -> tuple[int, int]:
    """The smallest fixed count of loops, and how many may fail, that tells ``bad`` from ``good``.

    A rate of ``bad`` passes with a chance of at most ``alpha``; one of ``good`` is refused with at
    most ``beta``.
    """
    for allowed in range(10_000):
        loops = _fewest(allowed, bad, alpha)
        if 1.0 - at_most(allowed, loops, good) <= beta:
            return loops, allowed
    raise UsageError(f"rates of {bad:g} and {good:g} are too close to be told apart by loops")


def _fewest(allowed: int, bad: float, alpha: float) -> int:
    low, high = allowed + 1, allowed + 2
    while at_most(allowed, high, bad) > alpha:
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if at_most(allowed, middle, bad) <= alpha else (middle + 1, high)
    return low
