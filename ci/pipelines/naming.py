"""Failed cases told by what they died of; known issues label what they fit, and waive it."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.crash import CrashReport
from ci.crash.cause import Cause, cause_of
from ci.crash.known import KnownIssue, KnownIssues
from ci.journal import Event, Journal, read
from ci.model import CaseResult, Outcome
from ci.pipelines.crash_place import Place
from ci.report.ledger import LedgerCases
from ci.report.signature import GIVEN, signature_text

KNOWN = "known"  # a property: the ticket, its owner, and what became of the waiver
LABELLED = (Outcome.FAILED, Outcome.BROKEN)


def name_cases(place: Place, reports: tuple[CrashReport, ...], issues: KnownIssues) -> int:
    """Write the failed cases again, with the signature of what they died of."""
    if not place.ledger.is_file():
        return 0
    told = [
        named
        for case in LedgerCases(place.ledger)
        if case.outcome in LABELLED and GIVEN not in case.properties
        if (named := name_case(case, cause_of(case, reports), issues)) is not case
    ]
    append(place.ledger, told)
    return len(told)


def name_case(case: CaseResult, cause: Cause | None, issues: KnownIssues) -> CaseResult:
    """The case with its cause's signature and its known issue; the same when it has neither."""
    signature = cause.signature if cause else signature_text(case.message)
    issue = issues.of(signature)
    if cause is None and issue is None:
        return case
    waived = issue is not None and issue.waives(today()) and case.outcome is Outcome.FAILED
    return msgspec.structs.replace(
        case,
        outcome=Outcome.WAIVED if waived else case.outcome,
        message=f"{case.message.rstrip()} [{signature}]{label(issue)}"
        if cause
        else f"{case.message.rstrip()}{label(issue)}",
        files=(*case.files, *(cause.files if cause else ())),
        properties=case.properties | {GIVEN: signature} | property_of(issue),
    )


def append(ledger: Path, cases: list[CaseResult]) -> None:
    """A case that is there twice counts once, as it was last written."""
    if not cases:
        return
    at = max((event.at for event in read(ledger)), default=0.0) if ledger.exists() else 0.0
    journal = Journal(ledger)
    try:
        for case in cases:
            data = msgspec.Raw(to_json(case))
            journal.append(Event(at=at, what="case", name=case.name, data=data))
    finally:
        journal.close()


def label(issue: KnownIssue | None) -> str:
    """What stands behind a message."""
    return f"; known: {issue.label(today())}" if issue else ""


def property_of(issue: KnownIssue | None) -> dict[str, str]:
    """What a case keeps of it."""
    return {KNOWN: issue.label(today())} if issue else {}


def today() -> datetime.date:
    """The day here; a waiver holds through the whole of its last one."""
    return datetime.datetime.now().astimezone().date()
