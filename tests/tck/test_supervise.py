"""A case that took its process along gets its verdict from whoever is left."""

from __future__ import annotations

from pathlib import Path

from ci.codec import from_json
from ci.journal import read
from ci.model import CaseResult, Outcome
from suites.tck.supervise import append, blame


def cases(ledger: Path) -> list[CaseResult]:
    return [from_json(event.data, CaseResult) for event in read(ledger)]


def test_the_case_and_the_call_are_blamed(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    assert blame(ledger, "SIGSEGV", "virDomainReset", "power/x", "h")
    (case,) = cases(ledger)
    assert (case.name, case.outcome, case.host) == ("power/x", Outcome.FAILED, "h")
    assert case.message == "virDomainReset killed the process that its driver ran in (SIGSEGV)"
    assert case.properties == {"verdict": "crashed", "function": "virDomainReset"}


def test_a_case_that_has_its_verdict_is_not_blamed(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, CaseResult(suite="tck", name="power/x", outcome=Outcome.PASSED))
    assert not blame(ledger, "SIGSEGV", "virDomainReset", "power/x", "h")
    assert len(cases(ledger)) == 1


def test_a_death_before_the_first_case_blames_nobody(tmp_path: Path) -> None:
    assert not blame(tmp_path / "ledger.jsonl", "SIGABRT", "", "", "h")
