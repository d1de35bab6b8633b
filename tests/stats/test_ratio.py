"""The ratio of two rates covers the truth as often as it says."""

from __future__ import annotations

import math
from random import Random

import pytest

from ci.stats.ratio import rate_ratio


def test_equal_counts_in_equal_time_are_a_ratio_of_one() -> None:
    found = rate_ratio(10, 100, 10, 100, 0.95)
    assert found.value == 1.0
    # limits of 10 of 20: 0.2720 and 0.7280 (published table), as odds
    assert (found.low, found.high) == pytest.approx((0.2720 / 0.7280, 0.7280 / 0.2720), rel=1e-3)


def test_more_loops_without_the_knob_raise_the_ratio() -> None:
    assert rate_ratio(10, 100, 10, 1000, 0.95).value == pytest.approx(10.0)


def test_no_failure_at_all_says_nothing() -> None:
    found = rate_ratio(0, 100, 0, 100, 0.95)
    assert (found.low, found.high) == (0.0, math.inf)


def test_failures_on_one_side_alone_still_give_a_lower_limit() -> None:
    found = rate_ratio(8, 100, 0, 100, 0.95)
    assert found.value == math.inf
    assert found.low > 1.0


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_the_interval_covers_the_true_ratio(ratio: float) -> None:
    random = Random(f"ratio {ratio}")
    tries, loops, rate = 300, 400, 0.02
    covered = 0
    for _ in range(tries):
        plain = sum(random.random() < rate for _ in range(loops))
        more = sum(random.random() < rate * ratio for _ in range(loops))
        found = rate_ratio(more, loops, plain, loops, 0.95)
        covered += found.low <= ratio <= found.high
    assert covered / tries >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / tries)
