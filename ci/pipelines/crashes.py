"""Failures with a name: crashes of a suite explained, its failed cases told by what they died of.

The cases that a crash explains get its signature; known issues label what they fit, and waive it
until their day. Each crash is a case of its own too, in a ledger beside that of the suite, with its
stack, its evidence and its reproducer.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.crash import CrashReport, explain
from ci.crash.attribution import Blamed, blame
from ci.crash.bundle import is_loop, make_bundle, usual_domain
from ci.crash.case_bundle import make_case_bundle
from ci.crash.cause import Cause, cause_of
from ci.crash.kept import keep_segfaults, keep_stacks, nothing_found
from ci.crash.known import KnownIssue, KnownIssues, read_known
from ci.crash.left import unseen, untold
from ci.errors import VirtciError
from ci.journal import Event, Journal, read
from ci.model import Build, CaseResult, Looked, Outcome, Record
from ci.report.ledger import LedgerCases
from ci.report.results import CRASHES
from ci.report.signature import GIVEN, signature_text
from ci.run import Run, Step

NOTHING = "nothing crashed: the failures have no crash, hang or leak behind them"
KNOWN = "known"  # a property: the ticket, its owner, and what became of the waiver
NOTHING_SEEN = Looked()
DONE = "explained"  # a file of the step's folder
LABELLED = (Outcome.FAILED, Outcome.BROKEN)


class Explained(Record, frozen=True, kw_only=True):
    """What the run's journal keeps: each crash's signature, and how many cases got a name."""

    signatures: tuple[str, ...] = ()
    named: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class Place:
    """Whose crashes: one suite on one host, with where its ledger and its evidence lie."""

    run_folder: Path
    host: str
    suite: str
    where: str = ""  # the machine that the work was done on, when it is another one
    found: Looked = NOTHING_SEEN  # what a look behind it saw

    @property
    def ledger(self) -> Path:
        return self.run_folder / "suites" / self.host / self.suite / "ledger.jsonl"

    @property
    def crashes(self) -> Path:
        """The ledger of the crashes, which reports take for a suite."""
        return self.run_folder / "suites" / self.host / (self.suite + CRASHES) / "ledger.jsonl"

    @property
    def evidence(self) -> Path:
        return self.run_folder / "evidence" / (self.where or self.host) / self.suite


def step_name(host: str, suite: str) -> str:
    return f"crashes/{host}/{suite}"


def is_unread(run: Run, host: str, suite: str, *, died: bool) -> bool:
    """Whether evidence was gathered after a suite that no finished step has looked at.

    When a program is known to have ``died`` that is to be told although the host gave no evidence.
    """
    evidence = Place(run.folder, host, suite).evidence
    gathered = evidence.is_dir() and any(not one.name.startswith(".") for one in evidence.iterdir())
    ended = run.folder / step_name(host, suite) / DONE
    return (gathered or died) and not ended.exists()


def explain_failures(  # noqa: PLR0917 - a step takes its inputs in a row
    step: Step,
    host: str,
    suite: str,
    known: str,
    build: Build | None,
    where: str = "",
    found: Looked = NOTHING_SEEN,
) -> Explained:
    """Name what a suite died of. Never fails a run: what cannot be had is said in ``trouble``.

    Each core that was ``found`` is told of, also one that could not be had or read.
    """
    place = Place(step.run_folder, host, suite, where, found)
    trouble, reports = "", ()  # type: str, tuple[CrashReport, ...]
    try:
        keep_stacks(place.ledger, place.evidence)
        ended = {str(one.was.pid) for one in found.replaced}
        keep_segfaults(place.ledger, place.evidence, ended)
        if place.evidence.is_dir():
            reports = explain(place.evidence, build, step.deadline)
    except VirtciError as error:
        trouble = error.message
        step.say(f"the crashes are not explained: {trouble}")
    reports = (*reports, *untold(found, reports, place.ledger, place.evidence))
    issues = read_known(Path(known)) if known else KnownIssues()
    named = _name_cases(place, reports, issues)
    _write_crashes(step, place, reports, issues, build)
    (step.folder / DONE).touch()
    for report in reports:
        step.say(report.signature + _label(issues.of(report.signature)))
    if not reports and not trouble:
        trouble = nothing_found(place.ledger, place.evidence)
        step.say(trouble or NOTHING)
    return Explained(
        signatures=tuple(one.signature for one in reports), named=named, trouble=trouble
    )


def _name_cases(place: Place, reports: tuple[CrashReport, ...], issues: KnownIssues) -> int:
    """Write the failed cases again, with the signature of what they died of."""
    if not place.ledger.is_file():
        return 0
    told = [
        named
        for case in LedgerCases(place.ledger)
        if case.outcome in LABELLED and GIVEN not in case.properties
        if (named := name_case(case, cause_of(case, reports), issues)) is not case
    ]
    _append(place.ledger, told)
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
        message=f"{case.message.rstrip()} [{signature}]{_label(issue)}"
        if cause
        else f"{case.message.rstrip()}{_label(issue)}",
        files=(*case.files, *(cause.files if cause else ())),
        properties=case.properties | {GIVEN: signature} | _property(issue),
    )


def _write_crashes(
    step: Step,
    place: Place,
    reports: tuple[CrashReport, ...],
    issues: KnownIssues,
    build: Build | None,
) -> None:
    """One case for each crash; those of an earlier look are replaced."""
    place.crashes.unlink(missing_ok=True)
    if not reports:
        return
    blamed = _blamed(place)
    cases = []
    for number, report in enumerate(reports, 1):
        own = _own(blamed, report, reports)
        victim = None if own else _victim(place, report, reports)
        folder = step.folder / f"bundle-{number}"
        bundle = ()  # type: tuple[str, ...]
        if own:
            bundle = _bundle(folder, place, report, own, build)
        elif victim:
            bundle = _case_bundle(folder, place, report, victim, build)
        said = [one.sentence() for one in own]
        if not own and victim is None:
            said = [unseen(place.found.cores, report, place.ledger)]
        cases.append(_crash_case(place, report, said, issues, bundle))
    place.crashes.parent.mkdir(parents=True, exist_ok=True)
    _append(place.crashes, cases)


def _blamed(place: Place) -> tuple[Blamed, ...]:
    return blame(place.ledger) if place.ledger.is_file() and is_loop(place.ledger) else ()


def _own(
    blamed: tuple[Blamed, ...], report: CrashReport, reports: tuple[CrashReport, ...]
) -> list[Blamed]:
    """The deaths of one crash; where it is the only one, those of its fate that left no core too.

    Else a rate would count cores, and a loop may die more often than cores are kept.
    """
    own = [one for one in blamed if cause_of(_as_case(one), reports) == _cause(report)]
    if sum(bool(one.files) for one in reports) > 1 or not own:
        return own
    return [one for one in blamed if one.fate is own[0].fate and one.op == own[0].op]


def _as_case(blamed: Blamed) -> CaseResult:
    message = f"{blamed.message} (the daemon was process {blamed.pid_before})"
    return CaseResult(suite="", name="", outcome=Outcome.FAILED, message=message)


def _cause(report: CrashReport) -> Cause:
    return Cause(signature=report.signature, files=report.files)


def _bundle(
    folder: Path, place: Place, report: CrashReport, own: list[Blamed], build: Build | None
) -> tuple[str, ...]:
    """The reproducer's files, relative to the run."""
    make_bundle(
        folder,
        place.ledger,
        domain=usual_domain(place.ledger),
        packages=_packages(build),
        report=report,
        blamed=tuple(own),
    )
    return _files(folder, place)


def _packages(build: Build | None) -> tuple[str, ...]:
    return tuple(rpm.nevra for rpm in build.rpms if not rpm.debug) if build else ()


def _files(folder: Path, place: Place) -> tuple[str, ...]:
    return tuple(str(file.relative_to(place.run_folder)) for file in sorted(folder.iterdir()))


def _victim(
    place: Place, report: CrashReport, reports: tuple[CrashReport, ...]
) -> CaseResult | None:
    """The first case that died of a crash."""
    if not place.ledger.is_file():
        return None
    for case in LedgerCases(place.ledger):
        bad = case.outcome in (*LABELLED, Outcome.WAIVED)
        if bad and cause_of(case, reports) == _cause(report):
            return case
    return None


def _case_bundle(
    folder: Path, place: Place, report: CrashReport, case: CaseResult, build: Build | None
) -> tuple[str, ...]:
    """The case so that it can be run again; of a loop the iterations are asked instead."""
    if is_loop(place.ledger):
        return ()
    make_case_bundle(folder, place.ledger, case, report, _packages(build))
    return _files(folder, place)


def _crash_case(
    place: Place,
    report: CrashReport,
    said: Iterable[str],
    issues: KnownIssues,
    bundle: tuple[str, ...],
) -> CaseResult:
    """``said`` tells what the suite saw of it."""
    issue = issues.of(report.signature)
    waived = issue is not None and issue.waives(today())
    base = place.evidence.relative_to(place.run_folder)
    files = dict.fromkeys([report.backtrace] * bool(report.backtrace) + list(report.files))
    reproduce = next((f"python3 {file}" for file in bundle if file.endswith(".py")), "")
    told = [*said, report.trouble, report.told.text(), *report.errors]
    return CaseResult(
        suite=place.suite + CRASHES,
        name=report.signature,
        host=place.host,
        outcome=Outcome.WAIVED if waived else Outcome.FAILED,
        message=report.signature + _label(issue),
        detail="\n".join(
            [*(text for text in told if text), *[f"reproduce: {reproduce}"] * bool(reproduce)]
        ),
        files=(*(f"{base}/{file}" for file in files), *bundle),
        properties={GIVEN: report.signature} | _property(issue),
    )


def _append(ledger: Path, cases: list[CaseResult]) -> None:
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


def _label(issue: KnownIssue | None) -> str:
    return f"; known: {issue.label(today())}" if issue else ""


def _property(issue: KnownIssue | None) -> dict[str, str]:
    return {KNOWN: issue.label(today())} if issue else {}


def today() -> datetime.date:
    """The day here; a waiver holds through the whole of its last one."""
    return datetime.datetime.now().astimezone().date()
