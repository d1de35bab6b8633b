"""Leaks are found, noise is not called a leak."""

from __future__ import annotations

import math
from random import Random

import pytest

from ci.stats.slope import mann_kendall, theil_sen, trend


def test_the_slope_is_the_median_of_all_pairs_and_ignores_an_outlier() -> None:
    points = [(float(x), 2.0 * x) for x in range(20)]
    points[10] = (10.0, 1e9)
    assert theil_sen(points) == pytest.approx(2.0)


@pytest.mark.parametrize(("swaps", "table"), [(12, 0.036), (11, 0.023), (7, 0.0023)])
def test_the_p_value_is_near_kendalls_table_for_ten_values(swaps: int, table: float) -> None:
    # S = 45 - 2 swaps: 21, 23, 31; exact upper tails from the printed table for n = 10
    values = _with_inversions(10, swaps)
    assert mann_kendall(values) == pytest.approx(table, abs=0.002)


def _with_inversions(n: int, swaps: int) -> list[float]:
    """A permutation of 0..n-1 with that many pairs in the wrong order."""
    rest, values = list(range(n)), []
    for left in range(n, 0, -1):
        back = min(swaps, left - 1)
        values.append(float(rest.pop(back)))
        swaps -= back
    return values


def test_noise_is_called_a_rise_as_rarely_as_promised() -> None:
    random = Random("noise")
    tries = 300
    wrong = sum(
        trend([(float(x), random.gauss(100, 10)) for x in range(40)]).p_value < 0.05
        for _ in range(tries)
    )
    assert wrong / tries <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tries)


def test_one_descriptor_in_ten_loops_is_found_in_noise() -> None:
    random = Random("leak")
    found = trend([(float(x), 40 + x // 10 + random.choice((0, 1, 2))) for x in range(200)])
    assert found.p_value < 1e-6
    assert found.slope == pytest.approx(0.1, rel=0.1)
    assert found.rise == pytest.approx(20, rel=0.15)


def test_a_constant_series_does_not_rise() -> None:
    assert trend([(float(x), 7.0) for x in range(50)]).p_value == 1.0
