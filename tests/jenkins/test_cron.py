"""Schedules that Jenkins would refuse only when the job runs."""

from __future__ import annotations

import pytest

from ci.jenkins.cron import problem


@pytest.mark.parametrize(
    "spec",
    [
        "", "H 2 * * 1-5", "H H(1-4) * * 1-5", "H/15 * * * *", "@daily", "0,30 8-18/2 1 */3 7",
        "TZ=Europe/Prague\nH 3 * * *\n# weekly\nH 4 * * 0", "H(0-29)/10 * * * *",
    ],
)  # fmt: skip
def test_a_schedule_of_jenkins_is_taken(spec: str) -> None:
    assert problem(spec) == ""


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("99 * * * *", "99 is not within 0 and 59"),
        ("* * * *", "4 fields"),
        ("H 2 * * MON", "not understood"),
        ("@dayly", "no schedule"),
        ("H 5-2 * * *", "runs backwards"),
        ("H 2 0 * *", "0 is not within 1 and 31"),
        ("H/99 * * * *", "the step 99"),
        ("H 2 * * *\nH 25 * * *", "25 is not within 0 and 23"),
    ],
)
def test_a_bad_schedule_is_explained(spec: str, says: str) -> None:
    assert says in problem(spec)
