"""Known failures are waived exactly as they are known, and not for ever."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.model import CaseResult, Outcome
from suites.tck.baseline import FOLDER, known_for, waive

ENTRY = """
[[known]]
case = "memory/x"
says = "nothing was refused"
reason = "the driver does not look"
expires = 2027-01-31
"""
BEFORE, AFTER = datetime.date(2027, 1, 31), datetime.date(2027, 2, 1)


def result(message: str, outcome: Outcome = Outcome.FAILED, kind: str = "") -> CaseResult:
    return CaseResult(
        suite="tck",
        name="memory/x",
        outcome=outcome,
        message=message,
        properties={"verdict": kind} if kind else {},
    )


def judged(folder: Path, case: CaseResult, day: datetime.date) -> CaseResult:
    (folder / "test.toml").write_text(ENTRY)
    return waive(case, known_for("TEST", folder), day)


def test_what_is_known_is_waived_with_its_reason(tmp_path: Path) -> None:
    case = judged(tmp_path, result("nothing was refused; code 8 was due"), BEFORE)
    assert case.outcome is Outcome.WAIVED
    assert case.message.startswith("known until 2027-01-31: the driver does not look; it said:")


def test_a_waiver_ends_on_its_day(tmp_path: Path) -> None:
    case = judged(tmp_path, result("nothing was refused"), AFTER)
    assert case.outcome is Outcome.FAILED
    assert "its waiver ended on 2027-01-31" in case.message


def test_another_failure_of_the_case_is_a_failure(tmp_path: Path) -> None:
    assert judged(tmp_path, result("wrong code"), BEFORE).outcome is Outcome.FAILED


@pytest.mark.parametrize("kind", ["crashed", "hung"])
def test_a_crash_is_never_waived(tmp_path: Path, kind: str) -> None:
    case = judged(tmp_path, result("nothing was refused", kind=kind), BEFORE)
    assert case.outcome is Outcome.FAILED


def test_a_lab_fault_is_never_waived(tmp_path: Path) -> None:
    case = judged(tmp_path, result("nothing was refused", Outcome.BROKEN), BEFORE)
    assert case.outcome is Outcome.BROKEN


def test_a_pass_says_that_the_entry_can_go(tmp_path: Path) -> None:
    case = judged(tmp_path, result("", Outcome.PASSED), BEFORE)
    assert case.properties == {"baseline": "not needed any more"}


def test_an_entry_without_a_day_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.toml").write_text(ENTRY.replace("expires", "until"))
    with pytest.raises(UsageError, match=r"test.toml:6: known\[0\].until: unknown key"):
        known_for("test", tmp_path)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_each_baseline_we_ship_can_be_read(path: Path) -> None:
    assert all(entry.reason and entry.says for entry in known_for(path.stem))


def test_a_driver_without_a_file_has_no_baseline(tmp_path: Path) -> None:
    assert known_for("vz", tmp_path) == ()
