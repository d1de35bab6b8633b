"""A period in a few words: what ran, broke, was fixed, was proven; what the lab cost."""

from __future__ import annotations

from collections import Counter, defaultdict

from sqlalchemy import Connection, and_, func, or_, select

from ci.history.queries import Test, points, recent_runs
from ci.history.rates import rates
from ci.history.schema import results, runs, tests
from ci.history.speed import StepSpeed, newly_slow, speeds
from ci.history.status import Point, first_bad, last_good, told
from ci.model import Outcome, Record
from ci.report.statement import Finding
from ci.report.tallies import LOOP
from ci.report.wording import clock, duration, tidy
from ci.templates import render

MOST_RUNS = 100_000
SHOWN = 30


class PlanWork(Record, frozen=True, kw_only=True):
    """What a plan's runs came to in the period."""

    plan: str
    runs: int
    outcomes: Counter[str]
    seconds: float


class Change(Record, frozen=True, kw_only=True):
    """A test that broke, or was fixed, in the run ``point`` names."""

    test: Test
    point: Point
    before: Point | None


class Digest(Record, frozen=True, kw_only=True):
    """``lab_seconds`` were spent on what the lab broke, ``lab_runs`` had such."""

    since: float
    until: float
    work: tuple[PlanWork, ...]
    broke: tuple[Change, ...]
    fixed: tuple[Change, ...]
    loops: tuple[tuple[Test, Finding], ...]
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    slow: tuple[StepSpeed, ...]
    lab_seconds: float
    lab_runs: int


def digest(connection: Connection, since: float, until: float) -> Digest:
    """Everything between the two times."""
    changed = _changes(connection, since, until)
    seconds, count = _lab(connection, since, until)
    return Digest(
        since=since,
        until=until,
        work=tuple(_work(connection, since, until)),
        broke=tuple(changed["broke"]),
        fixed=tuple(changed["fixed"]),
        loops=tuple(
            (one.test, one.finding)
            for one in rates(connection, since=since, until=until, text=LOOP, limit=MOST_RUNS)
        ),
        gained=tuple(changed["gained"]),
        lost=tuple(changed["lost"]),
        slow=tuple(_newly_slow(connection, since, until)),
        lab_seconds=seconds,
        lab_runs=count,
    )


def _work(connection: Connection, since: float, until: float) -> list[PlanWork]:
    by_plan = defaultdict(list)
    for run in recent_runs(connection, since=since, limit=MOST_RUNS):
        if run.started < until:
            by_plan[run.plan].append(run)
    return [
        PlanWork(
            plan=plan,
            runs=len(found),
            outcomes=Counter(run.outcome if run.finished else "not finished" for run in found),
            seconds=sum(run.ended - run.started for run in found),
        )
        for plan, found in sorted(by_plan.items())
    ]


def _changes(connection: Connection, since: float, until: float) -> dict[str, list[Change]]:
    """Of the tests that were not always the same: how each went over the period."""
    found: dict[str, list[Change]] = {"broke": [], "fixed": [], "gained": [], "lost": []}
    candidates = _not_always_good(connection, since, until)
    rows = points(connection, [test.id for test in candidates])
    for test in candidates:
        row = [point for point in rows[test.id] if point.started < until]
        lately, before = told(row), told([point for point in row if point.started < since])
        if lately and lately[-1].started >= since:
            _judge(found, test, lately, before[-1] if before else None)
        _parity(found, test, row, since)
    return found


def _judge(
    found: dict[str, list[Change]], test: Test, row: list[Point], before: Point | None
) -> None:
    now = row[-1]
    if now.bad and (before is None or before.good):
        first = first_bad(row)
        assert first is not None, "what is bad now has a first bad result"
        found["broke"].append(Change(test=test, point=first, before=last_good(row)))
    elif now.good and before is not None and before.bad:
        first_good = next(p for p in row if p.good and p.started > before.started)
        found["fixed"].append(Change(test=test, point=first_good, before=before))


def _parity(found: dict[str, list[Change]], test: Test, row: list[Point], since: float) -> None:
    """A behaviour that was not supported before and is now, or the other way round."""
    spoken = [point for point in row if point.good or point.neutral]
    before = [point for point in spoken if point.started < since]
    if test.name == LOOP or not before or spoken[-1].started < since:
        return
    then, now = before[-1], spoken[-1]
    if now.good == then.good:
        return
    lately = spoken[len(before) :]
    first = next(  # the run that the row of today's answers began with
        p for n, p in enumerate(lately) if all(q.good == now.good for q in lately[n:])
    )
    found["gained" if now.good else "lost"].append(Change(test=test, point=first, before=then))


def _not_always_good(connection: Connection, since: float, until: float) -> list[Test]:
    """Tests that ran in the period and were anything but passed in it, or right before it."""
    odd = or_(results.c.failed > 0, results.c.neutral > 0)
    ran = select(results.c.test_id).join(runs, runs.c.id == results.c.run_id)
    ran = ran.where(runs.c.started >= since, runs.c.started < until)
    before = (
        select(results.c.test_id, func.max(runs.c.started).label("started"))
        .join(runs, runs.c.id == results.c.run_id)
        .where(runs.c.started < since)
        .where(results.c.passed + results.c.failed + results.c.neutral > 0)
        .group_by(results.c.test_id)
        .subquery()
    )
    last = and_(results.c.test_id == before.c.test_id, runs.c.started == before.c.started)
    were_odd = select(results.c.test_id).join(runs, runs.c.id == results.c.run_id)
    were_odd = were_odd.join(before, last).where(odd)
    query = select(tests.c.id, tests.c.suite, tests.c.host, tests.c.name)
    query = query.where(tests.c.id.in_(ran))
    query = query.where(or_(tests.c.id.in_(ran.where(odd)), tests.c.id.in_(were_odd)))
    query = query.order_by(tests.c.suite, tests.c.host, tests.c.name)
    return [Test(**row._asdict()) for row in connection.execute(query)]


def _newly_slow(connection: Connection, since: float, until: float) -> list[StepSpeed]:
    names = {
        run.name
        for run in recent_runs(connection, since=since, limit=MOST_RUNS)
        if run.started < until
    }
    return [one for one in newly_slow(speeds(connection)) if one.changed_in in names]


def _lab(connection: Connection, since: float, until: float) -> tuple[float, int]:
    broken = results.c.outcome == str(Outcome.BROKEN)
    columns = (func.coalesce(func.sum(results.c.seconds), 0.0), func.count(runs.c.id.distinct()))
    query = select(*columns).join(runs, runs.c.id == results.c.run_id)
    query = query.where(broken, runs.c.started >= since, runs.c.started < until)
    seconds, count = connection.execute(query).one()
    return float(seconds), int(count)


def write(found: Digest, form: str) -> str:
    """The digest as ``markdown``, ``text`` or ``html``."""
    name = {"markdown": "digest.md.j2", "text": "digest.txt.j2", "html": "digest.html.j2"}[form]
    return render(
        "ci.history",
        name,
        digest=found,
        shown=SHOWN,
        clock=clock,
        duration=duration,
        tidy=tidy,
    )
