"""The ledger goes on where it ended."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ci.codec import from_json
from ci.errors import UsageError
from ci.model import CaseResult, Outcome
from suites.stress.ledger import Ledger, Operation
from suites.stress.options import Options


def options(path: Path, **changed: object) -> Options:
    made = Options(connect="test:///default", ledger=str(path), loops=10)
    return msgspec.structs.replace(made, **changed)


def case(number: int, outcome: Outcome = Outcome.PASSED) -> CaseResult:
    why = "" if outcome is Outcome.PASSED else "it did not come up"
    return CaseResult(
        suite="stress", name=f"iteration-{number:06}", outcome=outcome, seconds=2.0, message=why
    )


def filled(path: Path) -> None:
    ledger = Ledger(options(path))
    ledger.case(case(1))
    ledger.case(case(2, Outcome.FAILED))
    ledger.close()


def test_what_was_done_is_known_when_it_is_opened_again(tmp_path: Path) -> None:
    filled(tmp_path / "l")
    totals = Ledger(options(tmp_path / "l")).totals
    assert (totals.iterations, totals.of(Outcome.FAILED), totals.seconds) == (2, 1, 4.0)
    assert totals.reasons == ["iteration-000002: it did not come up"]


def test_an_iteration_that_is_told_again_with_its_cause_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(options(tmp_path / "l"))
    for number in (1, 2, 3):
        ledger.case(case(number, Outcome.FAILED if number == 1 else Outcome.PASSED))
    ledger.case(case(1, Outcome.WAIVED))
    ledger.close()
    again = Ledger(options(tmp_path / "l"))
    assert (again.totals.iterations, again.totals.of(Outcome.FAILED)) == (3, 1)


def test_an_operation_of_a_ledger_from_before_starts_were_kept_is_read() -> None:
    old = b'[7,"virtci-stress-0","create",1,0.5,"passed",100,4711,3,"",""]'
    read = from_json(old, Operation)
    assert (read.op, read.daemon_start, read.start) == ("create", 4711, 0.0)


def test_more_loops_may_be_asked_for_later(tmp_path: Path) -> None:
    filled(tmp_path / "l")
    assert Ledger(options(tmp_path / "l", loops=500)).totals.iterations == 2


@pytest.mark.parametrize(
    "changed", [{"seed": 5}, {"scenario": "disk"}, {"connect": "xen:///system"}, {"guests": 2}]
)
def test_another_loop_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    filled(tmp_path / "l")
    with pytest.raises(UsageError, match="is the ledger of another loop"):
        Ledger(options(tmp_path / "l", **changed))
