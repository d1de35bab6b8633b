"""The pages, as text: each is a function of the history and of what was asked for."""

from __future__ import annotations

from typing import Any

from ci.errors import UsageError
from ci.history.database import History
from ci.history.health import health
from ci.history.queries import (
    find_signatures,
    find_tests,
    latest_of_each_plan,
    numbered,
    points,
    recent_runs,
    results_of_run,
    run_named,
    runs_with_package,
    with_signature,
)
from ci.history.rates import rates
from ci.history.regressions import regressions
from ci.history.speed import newly_slow, speeds
from ci.history.status import Point, first_bad, last_good, status
from ci.report.statement import rate
from ci.report.wording import clock, duration, percent, tidy
from ci.templates import render

POINTS = 200
ROWS = 500


def overview(history: History) -> str:
    """The last run of each plan, what is bad, and the latest runs."""
    with history.reading() as connection:
        return _page(
            "overview.html.j2",
            "virtci",
            plans=sorted(latest_of_each_plan(connection), key=lambda run: -run.started),
            regressions=regressions(connection)[:100],
            runs=recent_runs(connection, limit=30),
        )


def run(history: History, name: str) -> str:
    """One run with its results, the bad ones first. Raises UsageError for none."""
    with history.reading() as connection:
        found = run_named(connection, name)
        rows = results_of_run(connection, found.id, ROWS)
    return _page("run.html.j2", found.name, run=found, rows=rows, most=ROWS)


def one_test(history: History, number: int) -> str:
    """One test over time. Raises UsageError for none."""
    with history.reading() as connection:
        found = numbered(connection, number)
        row = points(connection, [number], limit=POINTS).get(number, [])
    failed, passed = sum(p.failed for p in row), sum(p.passed for p in row)
    return _page(
        "test.html.j2",
        str(found),
        test=found,
        points=row[::-1],
        status=status(row),
        first_bad=first_bad(row),
        last_good=last_good(row),
        finding=rate(failed, failed + passed),
    )


def signature(history: History, name: str) -> str:
    """One signature and the tests that show it. Raises UsageError for none."""
    with history.reading() as connection:
        found = [row for row in find_signatures(connection, name) if row[0] == name]
        if not found:
            raise UsageError(f'the history has no signature "{name}"')
        tests = with_signature(connection, name)
    return _page("signature.html.j2", f"signature {name}", signature=found[0], tests=tests)


def search(history: History, text: str) -> str:
    """Whatever has the text in it: signatures, tests (and suites, hosts), packages."""
    found: dict[str, Any] = {"signatures": [], "tests": [], "runs": []}
    if text.strip():
        with history.reading() as connection:
            found = {
                "signatures": find_signatures(connection, text),
                "tests": find_tests(connection, text=text, limit=100),
                "runs": runs_with_package(connection, text),
            }
    return _page("search.html.j2", "search", text=text, **found)


def lab(history: History) -> str:
    """The hosts, what fails most, and what has become slow."""
    with history.reading() as connection:
        found = speeds(connection)
        return _page(
            "lab.html.j2",
            "lab",
            hosts=health(connection),
            rates=[one for one in rates(connection, limit=50) if one.finding.failed],
            slow=newly_slow(found)[:50],
            slowest=found[:20],
        )


def counted(point: Point) -> str:
    """``2 passed, 1 failed``: what there was of each."""
    named = ("passed", "failed", "broken")
    said = [f"{count} {name}" for name in named if (count := getattr(point, name))]
    said += [f"{point.neutral} not supported, skipped or waived"] if point.neutral else []
    return ", ".join(said) or "nothing"


def sorry(title: str, message: str) -> str:
    return _page("sorry.html.j2", title, message=message)


def _page(name: str, title: str, **values: Any) -> str:
    return render(
        "ci.serve",
        name,
        title=title,
        clock=clock,
        duration=duration,
        counted=counted,
        percent=percent,
        tidy=tidy,
        **values,
    )
