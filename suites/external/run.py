"""Runs foreign programs one after the other: bounded, judged, written to the ledger."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.deadline import Deadline
from ci.errors import InfraError, TimedOut
from ci.journal import Event, Journal, read
from ci.model import CaseResult, Outcome
from ci.shell import Argv, Completed, LocalShell
from suites.external.case import Finding, failed
from suites.tck.baseline import Known, today, waive

LINES = 20  # of what a program had printed when its time was over
Reader = Callable[[Completed], tuple[Finding, ...]]


@dataclass(frozen=True)
class Program:
    """A command and how to read what it did. ``name`` is what it is called in the ledger."""

    name: str
    argv: Argv
    read: Reader
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What each verdict carries: suite and host; what is ``known`` of the suite is waived."""

    suite: str
    host: str
    known: tuple[Known, ...] = ()

    def case(self, finding: Finding) -> CaseResult:
        return waive(finding.case(self.suite, self.host), self.known, today())


class Runner:
    """Goes through programs, skipping those that the ledger has already."""

    def __init__(self, ledger: Path, told: Told, *, seconds: int, after: Callable[[], str]) -> None:
        events = read(ledger) if ledger.exists() else ()
        self._done = {event.name for event in events if event.what == "program"}
        self._journal = Journal(ledger)
        self._logs = ledger.parent / "logs"  # both outputs of each program, as they came
        self._told = told
        self._seconds = seconds
        self._after = after  # says what is wrong with the daemon after a program; empty: nothing

    def run(self, programs: Iterable[Program]) -> None:
        for program in programs:
            if program.name not in self._done:
                self._one(program)
                self._note("program", program.name, b"null")

    def close(self) -> None:
        self._journal.close()

    def _one(self, program: Program) -> None:
        began = time.monotonic()
        findings = self._findings(program)
        seconds = time.monotonic() - began
        if wrong := self._after():
            findings += (Finding(name=program.name, outcome=Outcome.FAILED, message=wrong),)
        for finding in findings:
            fair = finding.seconds or seconds / len(findings)  # TAP tells no times
            timed = msgspec.structs.replace(finding, seconds=round(fair, 4))
            self._note("case", timed.name, to_json(self._told.case(timed)))

    def _findings(self, program: Program) -> tuple[Finding, ...]:
        log = self._logs / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', program.name)[:100]}.log"
        try:
            done = LocalShell().run(
                program.argv,
                Deadline.after(self._seconds),
                env=program.env,
                log=log,
            )
            return program.read(done) or (_nothing(program, done),)
        except TimedOut:
            message = f"{shlex.join(program.argv)} did not end within {self._seconds} s"
            said = "\n".join(log.read_text(errors="replace").splitlines()[-LINES:])
            return (failed(program.name, message, said),)
        except InfraError as error:
            return (
                Finding(
                    name=program.name,
                    outcome=Outcome.BROKEN,
                    message=error.message,
                    detail=error.detail,
                ),
            )

    def _note(self, what: str, name: str, data: bytes) -> None:
        self._journal.append(Event(at=time.time(), what=what, name=name, data=msgspec.Raw(data)))


def _nothing(program: Program, done: Completed) -> Finding:
    """A program without a single result proved nothing."""
    return Finding(
        name=program.name,
        outcome=Outcome.BROKEN,
        message=f"{shlex.join(program.argv)[:200]} gave no result (status {done.status})",
        detail=done.tail(),
    )
