"""PASS has to be earned; a failure stays one."""

from __future__ import annotations

import pytest

from ci.errors import UsageError
from ci.model import CaseResult, Outcome
from suites.stress.aim import Aim
from suites.stress.totals import Totals
from suites.stress.verdict import Verdict, as_cases, conclude


def totals(passed: int = 0, failed: int = 0, broken: int = 0) -> Totals:
    made = Totals()
    for outcome, count in (
        (Outcome.FAILED, failed),
        (Outcome.BROKEN, broken),
        (Outcome.PASSED, passed),
    ):
        for _ in range(count):
            made.add(CaseResult(suite="s", name="iteration-000001", outcome=outcome, message="why"))
    return made


def aim(*, loops: int = 0, seconds: float = 0.0, until: str = "", against: str = "") -> Aim:
    return Aim.parse(loops=loops, seconds=seconds, until=until, against=against)


def verdict(done: Totals, wanted: Aim) -> Verdict:
    return conclude(done, wanted)


def test_all_asked_for_and_clean_passes_and_says_what_it_proves() -> None:
    found = verdict(totals(passed=842), aim(loops=842))
    assert (found.outcome, found.exit_code) == ("PASS", 0)
    assert found.text == "PASS: 0/842 failed: rate < 0.36 % at 95 %"


@pytest.mark.parametrize("later", [0, 10, 5000])
def test_passes_after_a_failure_never_turn_it_green(later: int) -> None:
    for wanted in (aim(loops=later + 1), aim(until="rate<5%"), aim(until="rate<5% good=1%")):
        found = verdict(totals(failed=1, passed=later), wanted)
        assert (found.outcome, found.exit_code) == ("FAIL", 1)


def test_a_failure_is_given_with_rate_and_interval() -> None:
    text = verdict(totals(failed=3, passed=97), aim(loops=100)).text
    assert "3/100 failed: rate 3 % (0.62 % to 8.5 % at 95 %)" in text


def test_too_few_loops_are_inconclusive_and_say_how_many_are_missing() -> None:
    found = verdict(totals(passed=200), aim(until="rate<0.5% @95%"))
    assert (found.outcome, found.exit_code) == ("INCONCLUSIVE", 3)
    assert "398 more loops without a failure would decide" in found.text


def test_a_fix_is_shown_to_be_one() -> None:
    found = verdict(totals(passed=598), aim(against="3/100"))
    assert found.outcome == "PASS"
    assert "before 3/100: difference significant, p = 0.0029" in found.text


def test_a_broken_lab_proves_nothing() -> None:
    assert verdict(totals(passed=9, broken=1), aim(loops=10)).outcome == "INCONCLUSIVE"
    assert verdict(totals(), aim(loops=10)).outcome == "INCONCLUSIVE"


def test_a_leak_fails_though_every_loop_passed() -> None:
    found = conclude(totals(passed=10), aim(loops=10), leaks=("it leaks",))
    assert found.outcome == "FAIL"
    assert "it leaks" in found.text


def test_what_could_not_be_looked_at_is_said() -> None:
    found = conclude(totals(passed=10), aim(loops=10), unseen=("no guest ran",))
    assert found.text.endswith("; no guest ran")


def test_the_loop_stops_when_the_rate_is_shown_and_not_before() -> None:
    wanted = aim(until="rate<0.5% @95%")
    assert not wanted.reached(0, 597, 597, 1.0)
    assert wanted.reached(0, 598, 598, 1.0)
    assert wanted.reached(1, 3, 4, 1.0)  # it cannot be shown any more


def test_the_first_limit_that_is_reached_ends_the_loop() -> None:
    wanted = aim(loops=100, seconds=60)
    assert wanted.reached(0, 100, 100, 1.0)
    assert wanted.reached(0, 3, 3, 61.0)
    assert not wanted.reached(0, 99, 99, 59.0)


def test_broken_iterations_are_no_evidence() -> None:
    wanted = aim(until="rate<10%")
    assert not wanted.reached(0, 28, 40, 1.0)
    assert wanted.reached(0, 29, 40, 1.0)


def test_the_plan_is_said_beforehand() -> None:
    assert aim(until="rate<0.5% @95%", against="3/100").plan() == (
        "598 loops without a failure show a rate below 0.5 % at 95 % confidence",
        (
            "170 loops without a failure are significantly better than 3/100 before "
            "(Fisher, one-sided, 95 %)"
        ),
    )


def test_a_loop_without_an_end_is_refused() -> None:
    with pytest.raises(UsageError, match="was not told when to stop"):
        aim()


def test_reports_hear_of_leaks_and_of_an_aim_that_was_not_reached() -> None:
    leaking = conclude(totals(passed=10), aim(loops=10), leaks=("it leaks",))
    (case,) = as_cases(leaking, suite="s", host="h", known=set(), interrupted=False)
    assert (case.name, case.outcome, case.message) == ("leaks", Outcome.FAILED, "it leaks")
    late = verdict(totals(passed=10), aim(until="rate<1%", seconds=1))
    (case,) = as_cases(late, suite="s", host="h", known=set(), interrupted=False)
    assert (case.name, case.outcome) == ("aim", Outcome.BROKEN)
    assert as_cases(late, suite="s", host="h", known=set(), interrupted=True) == []


def test_an_aim_that_is_reached_after_all_replaces_the_one_that_was_not() -> None:
    reached = verdict(totals(passed=10), aim(loops=10))
    assert as_cases(reached, suite="s", host="h", known=set(), interrupted=False) == []
    (case,) = as_cases(reached, suite="s", host="h", known={"aim"}, interrupted=False)
    assert case.outcome is Outcome.PASSED
