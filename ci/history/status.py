"""What a row of results over time means. Pure: no database, no clock."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from ci.model import Record


class Status(enum.StrEnum):
    """How a test stands today. What the lab broke says nothing of a test and is left out."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FIXED = "fixed"  # bad before, good now
    REGRESSION = "regression"  # good before, bad now
    FAILING = "failing"
    UNSTABLE = "unstable"  # good and bad on the very same source and packages
    UNKNOWN = "unknown"  # never tried, or only in a broken lab


class Point(Record, frozen=True, kw_only=True):
    """One test in one run, with what was tested."""

    run: str
    started: float
    source: str
    packages: str
    passed: int
    failed: int
    broken: int
    neutral: int = 0
    seconds: float = 0.0
    signature: str = ""
    message: str = ""
    kernel: str = ""
    hypervisor: str = ""
    libvirt: str = ""
    host: str = ""

    @property
    def good(self) -> bool:
        return self.passed > 0 and self.failed == 0

    @property
    def bad(self) -> bool:
        return self.failed > 0

    @property
    def tested(self) -> tuple[str, str, str, str, str]:
        """The revision tuple: source, packages, hypervisor, kernel, host."""
        return (self.source, self.packages, self.hypervisor, self.kernel, self.host)


def told(points: Sequence[Point]) -> list[Point]:
    """The points that say something, oldest first."""
    return sorted((p for p in points if p.good or p.bad), key=lambda point: point.started)


def status(points: Sequence[Point]) -> Status:
    """How a test stands after its last run."""
    ordered = told(points)
    if not ordered:
        return Status.UNKNOWN
    if is_unstable(ordered):
        return Status.UNSTABLE
    before = ordered[-2].good if len(ordered) > 1 else None
    if ordered[-1].good:
        return Status.FIXED if before is False else Status.PASS
    return Status.REGRESSION if before else Status.FAILING


def is_unstable(ordered: Sequence[Point], recent: int = 20) -> bool:
    """Whether, lately, the very same thing was both good and bad, in turns."""
    seen: dict[tuple[str, ...], set[bool]] = {}
    for point in ordered[-recent:]:
        if not (point.source or point.packages):
            continue  # nobody knows whether it was the same
        seen.setdefault(point.tested, set()).add(point.good)
    return any(len(outcomes) > 1 for outcomes in seen.values())


def first_bad(points: Sequence[Point]) -> Point | None:
    """The beginning of the row of bad results that goes on until today."""
    found: Point | None = None
    for point in reversed(told(points)):
        if point.good:
            break
        found = point
    return found


def last_good(points: Sequence[Point]) -> Point | None:
    """The last good result before the row of bad ones; None when it was never good."""
    return next((point for point in reversed(told(points)) if point.good), None)
