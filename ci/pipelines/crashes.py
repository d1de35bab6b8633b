"""Failures with a name: crashes of a suite explained, its failed cases told by what they died of.

The cases that a crash explains get its signature; known issues label what they fit, and waive it
until their day. Each crash is a case of its own too, in a ledger beside that of the suite, with its
stack, its evidence and its reproducer.
"""

from __future__ import annotations

from pathlib import Path

from ci.crash import CrashReport, explain
from ci.crash.kept import keep_segfaults, keep_stacks, nothing_found
from ci.crash.known import KnownIssues, read_known
from ci.crash.left import untold
from ci.errors import VirtciError
from ci.model import Build, Looked, Record
from ci.pipelines.crash_cases import write_crashes
from ci.pipelines.crash_place import NOTHING_SEEN, Place
from ci.pipelines.naming import label, name_cases
from ci.run import Run, Step

NOTHING = "nothing crashed: the failures have no crash, hang or leak behind them"
DONE = "explained"  # a file of the step's folder


class Explained(Record, frozen=True, kw_only=True):
    """What the run's journal keeps: each crash's signature, and how many cases got a name."""

    signatures: tuple[str, ...] = ()
    named: int = 0
    trouble: str = ""


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
    trouble = ""
    reports: tuple[CrashReport, ...] = ()
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
    named = name_cases(place, reports, issues)
    write_crashes(step, place, reports, issues, build)
    (step.folder / DONE).touch()
    for report in reports:
        step.say(report.signature + label(issues.of(report.signature)))
    if not reports and not trouble:
        trouble = nothing_found(place.ledger, place.evidence)
        step.say(trouble or NOTHING)
    return Explained(
        signatures=tuple(one.signature for one in reports), named=named, trouble=trouble
    )
