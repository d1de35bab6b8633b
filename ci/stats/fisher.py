"""Was the fix a fix? Fisher's exact test (1935) on the failures before and after."""

from __future__ import annotations

import math

from ci.errors import UsageError

MOST_LOOPS = 100_000_000


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def p_value_fewer(failed: int, loops: int, failed_before: int, loops_before: int) -> float:
    """The chance of so few failures now if nothing has changed since before (one-sided).

    The lower tail of the hypergeometric distribution with both totals fixed.
    """
    all_failed, everything = failed + failed_before, loops + loops_before
    total = _log_choose(everything, all_failed)
    fewest = max(0, all_failed - loops_before)
    tail = sum(
        math.exp(_log_choose(loops, k) + _log_choose(loops_before, all_failed - k) - total)
        for k in range(fewest, failed + 1)
    )
    return min(1.0, tail)


def clean_loops_needed(failed_before: int, loops_before: int, confidence: float) -> int:
    """How many loops without a failure are significantly better than before.

    Raises UsageError when nothing failed before: then no number of loops is.
    """
    alpha = 1.0 - confidence
    if failed_before <= 0 or failed_before > loops_before:
        raise UsageError(
            f"{failed_before}/{loops_before} failed before: no number of loops can be better",
            hint="give the failures and loops of before the fix, such as 3/100",
        )
    low, high = 1, 1
    while p_value_fewer(0, high, failed_before, loops_before) > alpha:
        low, high = high, high * 2
        if high > MOST_LOOPS:
            raise UsageError(f"more than {MOST_LOOPS} loops would be needed")
    while low < high:
        middle = (low + high) // 2
        better = p_value_fewer(0, middle, failed_before, loops_before) <= alpha
        low, high = (low, middle) if better else (middle + 1, high)
    return low
