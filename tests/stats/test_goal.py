"""Goals are read as people write them, and refused with an example."""

from __future__ import annotations

import pytest

from ci.errors import UsageError
from ci.stats.goal import parse_before, parse_rate_goal, parse_seconds


@pytest.mark.parametrize("text", ["rate<0.5% @95%", "rate < 0.005 @ 0.95", "rate<0.5%"])
def test_a_rate_goal_is_read(text: str) -> None:
    goal = parse_rate_goal(text)
    assert (goal.bad, goal.good) == (0.005, 0.0)
    assert goal.alpha == pytest.approx(0.05)


def test_a_rate_goal_may_tolerate_a_rate() -> None:
    goal = parse_rate_goal("rate<5% @99% good=0.5% power=90%")
    assert (goal.bad, goal.good) == (0.05, 0.005)
    assert (goal.alpha, goal.beta) == pytest.approx((0.01, 0.1))


@pytest.mark.parametrize(
    "text", ["", "0.5%", "rate<0%", "rate<100%", "rate<1% @100%", "rate<1% good=2%", "rate<1..2"]
)
def test_what_cannot_be_shown_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rate_goal(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("45s", 45), ("20m", 1200), ("8h", 28800), ("1h30m", 5400)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "8x", "8h junk", "-5"])
def test_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_seconds(text)


def test_the_count_before_is_failures_of_loops() -> None:
    before = parse_before("3/100")
    assert (before.failed, before.loops) == (3, 100)
    for wrong in ("3", "4/3", "a/b", "0/0"):
        with pytest.raises(UsageError):
            parse_before(wrong)
