"""What there is to tell of a run, seen against the runs before it. Pure, but for reading runs."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from ci.model import Outcome, Record
from ci.report.compare import Difference, compare
from ci.report.results import RunResults

DAMPENED = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class News(enum.StrEnum):
    """Why somebody is told."""

    NEW = "new"  # something of the product broke that held before
    STILL = "still"  # it is as bad as before; told at the 2nd, 4th, 8th ... time
    FIXED = "fixed"
    LAB = "lab"  # the lab broke it: nobody's code is to blame
    PLAN = "plan"  # the plan or a setting is wrong: nothing was tried


class Decided(Record, frozen=True, kw_only=True):
    """``news`` is None when there is nothing worth telling, and ``why`` says so."""

    news: News | None
    why: str
    times: int = 0
    difference: Difference | None = None


def decide(now: RunResults, before: Sequence[RunResults]) -> Decided:
    """``before`` are the finished runs of the same plan, newest first."""
    if not now.finished:
        return Decided(news=None, why="the run has not come to its end")
    before = [run for run in before if not run.refused]
    last = next((run for run in before if _told(run)), None)
    difference = compare(last, now) if last else None
    if now.outcome is Outcome.PASSED:
        if last is not None and last.product_failed:
            return Decided(news=News.FIXED, why=f"bad in {last.id}", difference=difference)
        return Decided(news=None, why="it passed, as before", difference=difference)
    if now.product_failed:
        return _bad(1 + _row_of_bad(before), difference)
    if now.refused:
        return Decided(news=News.PLAN, why="the plan or a setting is wrong", difference=difference)
    return Decided(news=News.LAB, why="nothing but the lab failed", difference=difference)


def _bad(times: int, difference: Difference | None) -> Decided:
    """``times`` is how often in a row the product has failed now."""
    if difference is None or _broke(difference):
        return Decided(news=News.NEW, why="it held before", times=times, difference=difference)
    if times in DAMPENED:
        return Decided(news=News.STILL, why="as before", times=times, difference=difference)
    return Decided(news=None, why=f"bad as before, {times} times: dampened", difference=difference)


def _told(run: RunResults) -> bool:
    """Whether it says anything of the product: what only the lab broke does not."""
    return run.product_failed or run.outcome is Outcome.PASSED


def _broke(difference: Difference) -> bool:
    products = (tally for tally in difference.broke if tally.worst is not Outcome.BROKEN)
    return bool(difference.new_signatures) or any(products)


def _row_of_bad(before: Sequence[RunResults]) -> int:
    """How many runs before this one were bad in a row; what the lab broke interrupts no row."""
    count = 0
    for run in before:
        if run.outcome is Outcome.PASSED:
            break
        count += run.product_failed
    return count
