"""Each crash of a suite is a case of its own: its stack, its evidence and its reproducer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ci.crash import CrashReport
from ci.crash.attribution import Blamed, blame
from ci.crash.bundle import is_loop, make_bundle, usual_domain
from ci.crash.case_bundle import make_case_bundle
from ci.crash.cause import Cause, cause_of
from ci.crash.known import KnownIssues
from ci.crash.left import unseen
from ci.model import Build, CaseResult, Outcome
from ci.pipelines.crash_place import Place
from ci.pipelines.naming import LABELLED, append, label, property_of, today
from ci.report.ledger import LedgerCases
from ci.report.results import CRASHES
from ci.report.signature import GIVEN
from ci.run import Step


def write_crashes(
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
        bundle: tuple[str, ...] = ()
        if own:
            bundle = _bundle(folder, place, report, own, build)
        elif victim:
            bundle = _case_bundle(folder, place, report, victim, build)
        said = [one.sentence() for one in own]
        if not own and victim is None:
            said = [unseen(place.found.cores, report, place.ledger)]
        cases.append(_crash_case(place, report, said, issues, bundle))
    place.crashes.parent.mkdir(parents=True, exist_ok=True)
    append(place.crashes, cases)


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
        message=report.signature + label(issue),
        detail="\n".join(
            [*(text for text in told if text), *[f"reproduce: {reproduce}"] * bool(reproduce)]
        ),
        files=(*(f"{base}/{file}" for file in files), *bundle),
        properties={GIVEN: report.signature} | property_of(issue),
    )
