"""How long the steps of a loop took, over its iterations, in a bounded number of points."""

from __future__ import annotations

import heapq
from collections import defaultdict
from statistics import median

from ci.model import CaseResult, Record
from ci.report.results import NEUTRAL, SuiteResults
from ci.report.tallies import is_loop

POINTS = 300
STEPS_SHOWN = 8
SLOWEST = 5
MARKS = 300


class Series(Record, frozen=True, kw_only=True):
    """One step: per point the middle iteration, the median and the largest of its seconds."""

    name: str
    at: tuple[float, ...]
    medians: tuple[float, ...]
    largest: tuple[float, ...]
    total: float
    count: int


class Timeline(Record, frozen=True, kw_only=True):
    """``failed`` are iterations (at most ``MARKS`` of them are kept); ``slowest`` are cases."""

    iterations: int
    per_point: int
    series: tuple[Series, ...]
    failed: tuple[int, ...]
    failed_count: int
    slowest: tuple[tuple[str, float], ...]


class _Collector:
    """Gathers one point's seconds at a time, so that memory does not grow with the loop."""

    def __init__(self, per_point: int) -> None:
        self.per_point = per_point
        self._now: dict[str, list[float]] = defaultdict(list)
        self.points: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        self.totals: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, number: int, steps: dict[str, float]) -> None:
        for name, seconds in steps.items():
            self._now[name].append(seconds)
            self.totals[name] += seconds
            self.counts[name] += 1
        if number % self.per_point == 0:
            self.close(number)

    def close(self, number: int) -> None:
        middle = max(1.0, number - (self.per_point - 1) / 2)
        for name, seconds in self._now.items():
            if seconds:
                self.points[name].append((middle, median(seconds), max(seconds)))
        self._now.clear()


def timeline(suite: SuiteResults) -> Timeline | None:
    """One pass over the suite's iterations; None when it is no loop."""
    total = suite.loops.total()
    collector = _Collector(max(1, -(-total // POINTS)))
    slowest: list[tuple[float, str]] = []
    failed: list[int] = []
    failed_count = number = 0
    for number, case in enumerate(filter(is_loop, suite.cases), 1):
        collector.add(number, case.steps)
        _keep_slowest(slowest, case)
        if case.outcome not in NEUTRAL:
            failed_count += 1
            if len(failed) < MARKS:
                failed.append(number)
    if not number:
        return None
    collector.close(number)
    return Timeline(
        iterations=number,
        per_point=collector.per_point,
        series=_series(collector),
        failed=tuple(failed),
        failed_count=failed_count,
        slowest=tuple((name, seconds) for seconds, name in sorted(slowest, reverse=True)),
    )


def _keep_slowest(slowest: list[tuple[float, str]], case: CaseResult) -> None:
    if len(slowest) < SLOWEST:
        heapq.heappush(slowest, (case.seconds, case.name))
    else:
        heapq.heappushpop(slowest, (case.seconds, case.name))


def _series(collector: _Collector) -> tuple[Series, ...]:
    longest = sorted(collector.totals, key=collector.totals.__getitem__, reverse=True)
    shown = set(longest[:STEPS_SHOWN])
    return tuple(
        Series(
            name=name,
            at=tuple(point[0] for point in points),
            medians=tuple(point[1] for point in points),
            largest=tuple(point[2] for point in points),
            total=collector.totals[name],
            count=collector.counts[name],
        )
        for name, points in collector.points.items()
        if name in shown
    )
