"""Exact limits agree with published tables and cover what they promise."""

from __future__ import annotations

import math
from random import Random

import pytest

from ci.errors import UsageError
from ci.stats.binomial import (
    at_most,
    clean_loops_needed,
    fixed_plan,
    interval,
    lower_bound,
    upper_bound,
)

# 95 %, two-sided: the printed tables of exact binomial limits
TABLE = [
    (0, 10, 0.0, 0.3085),
    (1, 10, 0.0025, 0.4450),
    (2, 10, 0.0252, 0.5561),
    (3, 10, 0.0667, 0.6525),
    (5, 10, 0.1871, 0.8129),
    (10, 10, 0.6915, 1.0),
    (1, 20, 0.0013, 0.2487),
    (0, 20, 0.0, 0.1684),
    (0, 100, 0.0, 0.0362),
    (3, 100, 0.0062, 0.0852),
    (5, 100, 0.0164, 0.1128),
]


@pytest.mark.parametrize(("failed", "loops", "low", "high"), TABLE)
def test_the_interval_is_the_published_one(
    failed: int, loops: int, low: float, high: float
) -> None:
    found = interval(failed, loops, 0.95)
    assert found == pytest.approx((low, high), abs=5e-5)


def test_842_clean_loops_say_fewer_than_one_in_281_and_20_fewer_than_one_in_7() -> None:
    assert 1 / upper_bound(0, 842, 0.95) == pytest.approx(281, abs=1)
    assert 1 / upper_bound(0, 20, 0.95) == pytest.approx(7.2, abs=0.05)


@pytest.mark.parametrize(
    ("rate", "confidence", "loops"), [(0.005, 0.95, 598), (0.1, 0.95, 29), (0.01, 0.99, 459)]
)
def test_the_loops_needed_are_the_fewest_that_suffice(
    rate: float, confidence: float, loops: int
) -> None:
    assert clean_loops_needed(rate, confidence) == loops
    assert upper_bound(0, loops, confidence) <= rate < upper_bound(0, loops - 1, confidence)


def test_the_tail_is_the_sum_of_its_terms() -> None:
    exact = sum(math.comb(30, k) * 0.07**k * 0.93 ** (30 - k) for k in range(4))
    assert at_most(3, 30, 0.07) == pytest.approx(exact, rel=1e-12)
    assert at_most(30, 30, 0.07) == 1.0


def test_a_rate_of_zero_or_all_cannot_be_shown() -> None:
    with pytest.raises(UsageError, match="cannot be shown"):
        clean_loops_needed(0.0, 0.95)


@pytest.mark.parametrize("rate", [0.002, 0.03, 0.2, 0.5])
def test_the_bounds_cover_the_true_rate_as_often_as_they_say(rate: float) -> None:
    random = Random(f"coverage {rate}")
    tries, loops = 800, 100
    covered = sum(
        lower_bound(k, loops, 0.95) <= rate <= upper_bound(k, loops, 0.95)
        for k in (sum(random.random() < rate for _ in range(loops)) for _ in range(tries))
    )
    # both sides together miss at most 10 %; three standard errors of that many tries
    assert covered / tries >= 0.90 - 3 * math.sqrt(0.09 / tries)


def test_a_fixed_plan_keeps_both_error_rates_and_no_smaller_one_does() -> None:
    loops, allowed = fixed_plan(0.05, 0.005, 0.05, 0.05)
    assert at_most(allowed, loops, 0.05) <= 0.05
    assert 1 - at_most(allowed, loops, 0.005) <= 0.05
    assert at_most(allowed, loops - 1, 0.05) > 0.05
