"""Rows of the history as records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, or_, select

from ci.errors import UsageError
from ci.history.schema import commits, hosts, results, runs, signatures, tests
from ci.history.status import Point
from ci.model import Commit, Record
from ci.report.wording import named

CHUNK = 500


class Test(Record, frozen=True, kw_only=True):
    """A test on a host, with its number in the database."""

    __test__ = False  # for pytest

    id: int
    suite: str
    host: str
    name: str

    def __str__(self) -> str:
        return f"{self.suite}{f' on {self.host}' if self.host else ''}: {named(self.name)}"


class RunLine(Record, frozen=True, kw_only=True):
    """A run, for lists."""

    id: int
    name: str
    plan: str
    started: float
    ended: float
    outcome: str
    finished: bool
    source: str
    packages: str
    folder: str


class ResultLine(Record, frozen=True, kw_only=True):
    """One test in one run, for lists."""

    test: Test
    outcome: str
    passed: int
    failed: int
    broken: int
    seconds: float
    signature: str
    message: str


def recent_runs(
    connection: Connection, *, plan: str = "", since: float = 0.0, limit: int = 50
) -> list[RunLine]:
    """The latest runs, newest first."""
    query = select(*_run_columns()).where(runs.c.started >= since)
    if plan:
        query = query.where(runs.c.plan == plan)
    query = query.order_by(runs.c.started.desc(), runs.c.id.desc()).limit(limit)
    return [RunLine(**row._asdict()) for row in connection.execute(query)]


def run_named(connection: Connection, name: str) -> RunLine:
    """Raises UsageError when the history has no such run."""
    row = connection.execute(select(*_run_columns()).where(runs.c.name == name)).first()
    if row is None:
        raise UsageError(f'the history has no run "{name}"', hint="virtci history import RUNS")
    return RunLine(**row._asdict())


def results_of_run(connection: Connection, run_id: int, limit: int) -> list[ResultLine]:
    """The bad ones first."""
    columns = (tests.c.id, tests.c.suite, tests.c.host, tests.c.name)
    own = tuple(results.c[name] for name in ResultLine.__struct_fields__ if name != "test")
    query = select(*columns, *own).join(tests, tests.c.id == results.c.test_id)
    query = query.where(results.c.run_id == run_id)
    bad = case((results.c.failed > 0, 0), (results.c.broken > 0, 1), else_=2)
    query = query.order_by(bad, tests.c.suite, tests.c.host, tests.c.name).limit(limit)
    found = []
    for row in connection.execute(query):
        number, suite, host, name, *values = row
        test = Test(id=number, suite=suite, host=host, name=name)
        outcome, passed, failed, broken, seconds, signature, message = values
        found.append(
            ResultLine(
                test=test,
                outcome=outcome,
                passed=passed,
                failed=failed,
                broken=broken,
                seconds=seconds,
                signature=signature or "",
                message=message,
            )
        )
    return found


def numbered(connection: Connection, number: int) -> Test:
    """The test with this number. Raises UsageError when there is none."""
    query = select(tests.c.id, tests.c.suite, tests.c.host, tests.c.name)
    row = connection.execute(query.where(tests.c.id == number)).first()
    if row is None:
        raise UsageError(f"the history has no test {number}")
    return Test(**row._asdict())


def latest_of_each_plan(connection: Connection) -> list[RunLine]:
    """The last finished run of every plan."""
    last = select(runs.c.plan, func.max(runs.c.started).label("started"))
    newest = last.where(runs.c.finished).group_by(runs.c.plan).subquery()
    query = select(*_run_columns()).join(
        newest, and_(runs.c.plan == newest.c.plan, runs.c.started == newest.c.started)
    )
    return [RunLine(**row._asdict()) for row in connection.execute(query.order_by(runs.c.plan))]


def find_tests(
    connection: Connection, *, text: str = "", suite: str = "", host: str = "", limit: int = 200
) -> list[Test]:
    """Tests whose name, suite or host has ``text`` in it."""
    query = select(tests.c.id, tests.c.suite, tests.c.host, tests.c.name)
    if text:
        columns = (tests.c.name, tests.c.suite, tests.c.host)
        query = query.where(or_(*(c.icontains(text, autoescape=True) for c in columns)))
    if suite:
        query = query.where(tests.c.suite == suite)
    if host:
        query = query.where(tests.c.host == host)
    query = query.order_by(tests.c.suite, tests.c.host, tests.c.name).limit(limit)
    return _tests(connection, query)


def bad_tests(connection: Connection, run_ids: Sequence[int]) -> list[Test]:
    """The tests that the product failed in these runs."""
    query = select(tests.c.id, tests.c.suite, tests.c.host, tests.c.name).distinct()
    query = query.join(results, results.c.test_id == tests.c.id)
    query = query.where(results.c.run_id.in_(run_ids), results.c.failed > 0)
    return _tests(connection, query.order_by(tests.c.suite, tests.c.host, tests.c.name))


def points(
    connection: Connection, test_ids: Iterable[int], *, plan: str = "", limit: int = 0
) -> dict[int, list[Point]]:
    """Each test's results over time, oldest first; at most the last ``limit`` (0: all)."""
    wanted = list(test_ids)
    found: dict[int, list[Point]] = defaultdict(list)
    for start in range(0, len(wanted), CHUNK):
        query = _point_query().where(results.c.test_id.in_(wanted[start : start + CHUNK]))
        if plan:
            query = query.where(runs.c.plan == plan)
        for row in connection.execute(query):
            values = row._asdict()
            found[values.pop("test_id")].append(Point(**values))
    return {test: of_test[-limit:] for test, of_test in found.items()}


def commits_of(connection: Connection, run_names: Sequence[str]) -> dict[str, list[Commit]]:
    """The commits that each run names, newest first."""
    columns = (commits.c.commit_id, commits.c.author, commits.c.date, commits.c.subject)
    query = select(runs.c.name, *columns).join(runs, runs.c.id == commits.c.run_id)
    query = query.where(runs.c.name.in_(run_names)).order_by(commits.c.position)
    found: dict[str, list[Commit]] = defaultdict(list)
    for name, commit_id, author, date, subject in connection.execute(query):
        found[name].append(Commit(id=commit_id, author=author, date=date, subject=subject))
    return found


def find_signatures(
    connection: Connection, text: str, limit: int = 50
) -> list[tuple[str, str, int, float, float]]:
    """Signatures with ``text`` in them, or of that id: id, text, results, first and last seen."""
    seen = (func.count(), func.min(runs.c.started), func.max(runs.c.started))
    query = select(signatures.c.id, signatures.c.text, *seen)
    query = query.join(results, results.c.signature == signatures.c.id)
    query = query.join(runs, runs.c.id == results.c.run_id)
    if text:
        match = signatures.c.text.icontains(text, autoescape=True)
        query = query.where(or_(signatures.c.id == text, match))
    query = query.group_by(signatures.c.id, signatures.c.text)
    query = query.order_by(func.max(runs.c.started).desc(), signatures.c.id).limit(limit)
    return [(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(query)]


def with_signature(connection: Connection, signature: str, limit: int = 200) -> list[Test]:
    query = select(tests.c.id, tests.c.suite, tests.c.host, tests.c.name).distinct()
    query = query.join(results, results.c.test_id == tests.c.id)
    return _tests(connection, query.where(results.c.signature == signature).limit(limit))


def known_signatures(connection: Connection, *, plan: str, before: float) -> frozenset[str]:
    """Every signature that runs of the plan have shown before that time."""
    query = select(results.c.signature).distinct().join(runs, runs.c.id == results.c.run_id)
    query = query.where(runs.c.plan == plan, results.c.signature.is_not(None))
    query = query.where(runs.c.started < before)
    return frozenset(str(name) for name in connection.scalars(query))


def runs_with_package(connection: Connection, package: str, limit: int = 50) -> list[RunLine]:
    """Runs whose packages or source have ``package`` in them, newest first."""
    columns = (runs.c.packages, runs.c.source)
    match = or_(*(column.icontains(package, autoescape=True) for column in columns))
    query = select(*_run_columns()).where(match).order_by(runs.c.started.desc()).limit(limit)
    return [RunLine(**row._asdict()) for row in connection.execute(query)]


def _tests(connection: Connection, query: Select[Any]) -> list[Test]:
    return [Test(**row._asdict()) for row in connection.execute(query)]


def _run_columns() -> tuple[Any, ...]:
    return tuple(runs.c[name] for name in RunLine.__struct_fields__)


def _point_query() -> Select[Any]:
    return (
        select(
            results.c.test_id,
            runs.c.name.label("run"),
            runs.c.started,
            runs.c.source,
            runs.c.packages,
            results.c.passed,
            results.c.failed,
            results.c.broken,
            results.c.neutral,
            results.c.seconds,
            func.coalesce(results.c.signature, "").label("signature"),
            results.c.message,
            func.coalesce(hosts.c.kernel, "").label("kernel"),
            func.coalesce(hosts.c.hypervisor, "").label("hypervisor"),
            func.coalesce(hosts.c.libvirt, "").label("libvirt"),
            tests.c.host,
        )
        .join(runs, runs.c.id == results.c.run_id)
        .join(tests, tests.c.id == results.c.test_id)
        .outerjoin(hosts, and_(hosts.c.run_id == results.c.run_id, hosts.c.host == tests.c.host))
        .order_by(runs.c.started, runs.c.id)
    )
