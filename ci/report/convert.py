"""Results in other forms: Markdown for people and tickets, JSON for programs."""

from __future__ import annotations

from ci.codec import to_json
from ci.model import Record
from ci.report.compare import revision_tuple
from ci.report.console import BLAME, tally
from ci.report.failures import failures
from ci.report.reproduce import whole
from ci.report.results import RunResults, exit_code
from ci.report.tallies import tallies
from ci.report.wording import named, tidy
from ci.templates import render


class TestRow(Record, frozen=True, kw_only=True):
    """One test, as JSON has it; ``counts`` are by outcome."""

    suite: str
    host: str
    name: str
    outcome: str
    counts: dict[str, int]
    seconds: float
    message: str
    signatures: tuple[str, ...]


class RunRow(Record, frozen=True, kw_only=True):
    """A run, as JSON has it."""

    run: str
    plan: str
    outcome: str
    exit_code: int
    started: float
    ended: float
    tested: dict[str, str]
    tests: tuple[TestRow, ...]


def as_json(results: RunResults) -> str:
    """One object with the run and a row per test (a loop is one test)."""
    tests = tuple(
        TestRow(
            suite=t.suite,
            host=t.host,
            name=t.name,
            outcome=str(t.worst),
            counts={str(outcome): count for outcome, count in t.counts.items()},
            seconds=t.seconds,
            message=t.message,
            signatures=tuple(t.signatures),
        )
        for t in tallies(results)
    )
    row = RunRow(
        run=results.id,
        plan=results.header.plan,
        outcome=str(results.outcome),
        exit_code=exit_code(results),
        started=results.started,
        ended=results.ended,
        tested=revision_tuple(results),
        tests=tests,
    )
    return to_json(row).decode() + "\n"


def as_markdown(results: RunResults) -> str:
    """What the page says first, short enough for a ticket."""
    return render(
        "ci.report",
        "report.md.j2",
        results=results,
        exit_code=exit_code(results),
        groups=failures(results)[:20],
        tested=revision_tuple(results),
        command=whole(results.header),
        blame=BLAME,
        tally=tally,
        tidy=tidy,
        named=named,
    )
