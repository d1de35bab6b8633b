"""What is bad today, since when, and who may have done it."""

from __future__ import annotations

from sqlalchemy import Connection

from ci.history.queries import (
    RunLine,
    Test,
    bad_tests,
    commits_of,
    latest_of_each_plan,
    points,
    recent_runs,
)
from ci.history.status import Point, Status, first_bad, last_good, status, told
from ci.model import Commit, Record


class Regression(Record, frozen=True, kw_only=True):
    """A test that is bad today. ``suspects`` are the commits since it was good, newest first."""

    test: Test
    plan: str
    status: Status
    first_bad: Point
    last_good: Point | None
    bad_runs: int
    suspects: tuple[Commit, ...]

    @property
    def changed(self) -> tuple[tuple[str, str, str], ...]:
        """What of the revision tuple is another than when it was good: (what, then, now)."""
        if self.last_good is None:
            return ()
        names = ("source", "packages", "hypervisor", "kernel", "libvirt")
        pairs = ((n, getattr(self.last_good, n), getattr(self.first_bad, n)) for n in names)
        return tuple((name, then, now) for name, then, now in pairs if then != now)


def regressions(connection: Connection, *, plan: str = "") -> list[Regression]:
    """Every test that was bad in the last finished run of its plan; the newest trouble first."""
    found = []
    for run in latest_of_each_plan(connection):
        if plan and run.plan != plan:
            continue
        bad = bad_tests(connection, [run.id])
        over_time = points(connection, [test.id for test in bad], plan=run.plan)
        order = recent_runs(connection, plan=run.plan, limit=10_000)
        found += [_judge(connection, run, test, over_time[test.id], order) for test in bad]
    return sorted(found, key=lambda one: (-one.first_bad.started, str(one.test)))


def _judge(
    connection: Connection, run: RunLine, test: Test, row: list[Point], order: list[RunLine]
) -> Regression:
    first, good = first_bad(row), last_good(row)
    assert first is not None, "a test that is bad today has a first bad result"
    return Regression(
        test=test,
        plan=run.plan,
        status=status(row),
        first_bad=first,
        last_good=good,
        bad_runs=sum(1 for point in told(row) if point.started >= first.started),
        suspects=_suspects(connection, good, first, order),
    )


def _suspects(
    connection: Connection, good: Point | None, bad: Point, order: list[RunLine]
) -> tuple[Commit, ...]:
    """The commits that runs name after the good one and up to the bad one, but not before."""
    if good is None or good.source == bad.source:
        return ()
    between = [r.name for r in order if good.started < r.started <= bad.started]
    named = commits_of(connection, [*between, good.run])
    known = {commit.id for commit in named.get(good.run, [])} | {good.source}
    found: dict[str, Commit] = {}
    for name in between:
        for commit in named.get(name, []):
            if commit.id in known:
                break  # from here on they are older than the good run
            found.setdefault(commit.id, commit)
    return tuple(found.values())
