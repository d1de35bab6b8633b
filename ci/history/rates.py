"""How often things fail, over many runs, with exact intervals."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Subquery, func, select

from ci.history.queries import Test
from ci.history.schema import results, runs, tests
from ci.model import Record
from ci.report.statement import Finding, rate

FOREVER = 1e12
SUMS = ("failed", "passed", "broken")


class TestRate(Record, frozen=True, kw_only=True):
    """A test's rate over the runs that were asked for; what the lab broke counts as nothing."""

    __test__ = False  # for pytest

    test: Test
    runs: int
    broken: int
    finding: Finding


def rates(
    connection: Connection,
    *,
    since: float = 0.0,
    until: float = FOREVER,
    plan: str = "",
    text: str = "",
    limit: int = 50,
) -> list[TestRate]:
    """The tests that failed at all, the most often failing first, then the most tried."""
    counted = _counted(since, until, plan)
    tried = counted.c.failed + counted.c.passed
    columns = (tests.c.id, tests.c.suite, tests.c.host, tests.c.name)
    query = select(*columns, *(counted.c[name] for name in ("runs", *SUMS)))
    query = query.join(counted, tests.c.id == counted.c.test_id).where(tried > 0)
    if text:
        query = query.where(tests.c.name.icontains(text, autoescape=True))
    share = counted.c.failed * 1.0 / tried
    query = query.order_by(share.desc(), tried.desc(), tests.c.id).limit(limit)
    return [_rate(row) for row in connection.execute(query)]


def _counted(since: float, until: float, plan: str) -> Subquery:
    """The sums per test, made before any test is looked up; runs are joined only when needed."""
    sums = (func.sum(results.c[name]).label(name) for name in SUMS)
    query = select(results.c.test_id, func.count().label("runs"), *sums)
    if since or plan or until != FOREVER:
        query = query.join(runs, runs.c.id == results.c.run_id)
        query = query.where(runs.c.started >= since, runs.c.started < until)
    if plan:
        query = query.where(runs.c.plan == plan)
    return query.group_by(results.c.test_id).subquery()


def _rate(row: Any) -> TestRate:
    finding = rate(int(row.failed), int(row.failed) + int(row.passed))
    assert finding is not None, "the query leaves out what was never tried"
    test = Test(id=row.id, suite=row.suite, host=row.host, name=row.name)
    return TestRate(test=test, runs=int(row.runs), broken=int(row.broken), finding=finding)
