"""What a loop has shown: its rate of failure, exactly bounded."""

from __future__ import annotations

from ci.model import Outcome, Record
from ci.report.results import SuiteResults
from ci.report.wording import percent
from ci.stats.binomial import interval, upper_bound

CONFIDENCE = 0.95


class Finding(Record, frozen=True, kw_only=True):
    """``rate`` with its exact two-sided interval at 95 %; without a failure from 0 on."""

    failed: int
    tried: int
    low: float
    high: float
    text: str


def rate(failed: int, tried: int) -> Finding | None:
    """None when nothing was tried: then nothing is known."""
    if tried <= 0:
        return None
    if not failed:
        high = upper_bound(0, tried, CONFIDENCE)
        text = f"0 of {tried} failed: the rate is below {percent(high)} at 95 %"
        return Finding(failed=0, tried=tried, low=0.0, high=high, text=text)
    low, high = interval(failed, tried, CONFIDENCE)
    text = (
        f"{failed} of {tried} failed: rate {percent(failed / tried)}, "
        f"{percent(low)} to {percent(high)} at 95 %"
    )
    return Finding(failed=failed, tried=tried, low=low, high=high, text=text)


def statement(suite: SuiteResults) -> Finding | None:
    """Of the loop's iterations alone: what the lab broke counts as nothing."""
    failed = suite.loops[Outcome.FAILED] + suite.loops[Outcome.WAIVED]  # waived, it happened still
    passed = suite.loops[Outcome.PASSED]
    return rate(failed, failed + passed)
