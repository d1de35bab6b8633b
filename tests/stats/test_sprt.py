"""The sequential test keeps its error rates, and needs fewer loops than a fixed count."""

from __future__ import annotations

import math
from random import Random

import pytest

from ci.stats.binomial import clean_loops_needed, fixed_plan
from ci.stats.sprt import Decision, Sprt, simulate

TRIES = 1000


def simulated(test: Sprt, rate: float) -> tuple[float, float]:
    """Share of GOOD, and mean loops."""
    random = Random(f"sprt {rate}")
    played = [simulate(test, rate, random) for _ in range(TRIES)]
    good = sum(decision is Decision.GOOD for decision, _ in played)
    return good / TRIES, sum(loops for _, loops in played) / TRIES


def above(share: float) -> float:
    """A share that chance does not exceed: three standard errors more."""
    return share + 3 * math.sqrt(share * (1 - share) / TRIES)


@pytest.mark.parametrize("good", [0.0, 0.005, 0.01])
def test_a_bad_rate_is_called_good_as_rarely_as_promised(good: float) -> None:
    share, _ = simulated(Sprt(bad=0.05, good=good), 0.05)
    assert share <= above(0.05)


def test_a_good_rate_is_called_bad_as_rarely_as_promised() -> None:
    share, _ = simulated(Sprt(bad=0.05, good=0.005), 0.005)
    assert 1 - share <= above(0.05)


def test_it_needs_fewer_loops_than_a_fixed_count_of_equal_error_rates() -> None:
    test = Sprt(bad=0.05, good=0.005)
    fixed, _ = fixed_plan(0.05, 0.005, 0.05, 0.05)
    for rate in (0.005, 0.05):
        assert simulated(test, rate)[1] < 0.75 * fixed


def test_without_a_good_rate_it_is_the_exact_count_of_clean_loops() -> None:
    test = Sprt(bad=0.005, alpha=0.05)
    assert test.clean_loops_needed() == clean_loops_needed(0.005, 0.95) == 598
    assert test.decide(0, 597) is Decision.OPEN
    assert test.decide(0, 598) is Decision.GOOD
    assert test.decide(1, 5000) is Decision.BAD


def test_the_limits_are_walds() -> None:
    # alpha = beta = 5 %: the evidence has to reach 19 to 1
    assert Sprt(bad=0.1, good=0.01).limits == pytest.approx((-math.log(19), math.log(19)))


def test_each_failure_asks_for_more_clean_loops() -> None:
    test = Sprt(bad=0.05, good=0.005)
    assert test.clean_loops_after(0, 0) == test.clean_loops_needed()
    assert test.clean_loops_after(1, 0) > test.clean_loops_needed()
    assert test.decide(1, test.clean_loops_after(1, 0)) is Decision.GOOD
