"""Slow leaks: does a series rise, and how fast?

Mann (1945) and Kendall's test asks whether it rises at all, and needs no assumption about its
noise; Theil (1950) and Sen's (1968) median of all slopes says how fast, whatever outliers do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median

from ci.model import Record

Point = tuple[float, float]


class Trend(Record, frozen=True, kw_only=True):
    """``slope`` per unit of x, ``p_value`` of "it does not rise", ``rise`` over all of x."""

    slope: float
    p_value: float
    rise: float
    points: int


def theil_sen(points: Sequence[Point]) -> float:
    """The median of the slopes of all pairs."""
    slopes = [
        (y2 - y1) / (x2 - x1)
        for i, (x1, y1) in enumerate(points)
        for x2, y2 in points[i + 1 :]
        if x2 != x1
    ]
    return median(slopes) if slopes else 0.0


def mann_kendall(values: Sequence[float]) -> float:
    """The one-sided p-value of "this series does not rise" (normal, corrected for ties)."""
    n = len(values)
    score = sum(
        (later > former) - (later < former)
        for i, former in enumerate(values)
        for later in values[i + 1 :]
    )
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(values).values())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if variance <= 0:
        return 1.0
    z = (score - (score > 0) + (score < 0)) / math.sqrt(variance)
    return 0.5 * math.erfc(z / math.sqrt(2))


def trend(points: Sequence[Point]) -> Trend:
    """Whether and how fast the points rise, in the order of x."""
    slope = theil_sen(points)
    span = points[-1][0] - points[0][0] if points else 0.0
    p_value = mann_kendall([y for _, y in points])
    return Trend(slope=slope, p_value=p_value, rise=slope * span, points=len(points))
