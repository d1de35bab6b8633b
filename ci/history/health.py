"""How the lab's hosts do: what of their trouble is theirs and not the product's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from ci.history.schema import results, runs, tests
from ci.model import Outcome, Record


class HostHealth(Record, frozen=True, kw_only=True):
    """``troubled`` runs had at least one thing broken by the lab; times are of runs' beginnings."""

    host: str
    runs: int
    troubled: int
    broken: int
    last_seen: float
    last_trouble: float
    last_reason: str

    @property
    def share(self) -> float:
        return self.troubled / self.runs if self.runs else 0.0


def health(connection: Connection, *, since: float = 0.0) -> list[HostHealth]:
    """Every host that was used since, the most troubled first."""
    is_broken = results.c.outcome == str(Outcome.BROKEN)
    per_run = (
        select(
            tests.c.host,
            runs.c.started,
            func.sum(case((is_broken, 1), else_=0)).label("broken"),
        )
        .join(tests, tests.c.id == results.c.test_id)
        .join(runs, runs.c.id == results.c.run_id)
        .where(runs.c.started >= since, tests.c.host != "")
        .group_by(tests.c.host, runs.c.id, runs.c.started)
        .subquery()
    )
    troubled = per_run.c.broken > 0
    query = select(
        per_run.c.host,
        func.count().label("runs"),
        func.sum(case((troubled, 1), else_=0)).label("troubled"),
        func.sum(per_run.c.broken).label("broken"),
        func.max(per_run.c.started).label("seen"),
        func.coalesce(func.max(case((troubled, per_run.c.started))), 0.0).label("trouble"),
    ).group_by(per_run.c.host)
    return sorted(
        (_host(connection, row) for row in connection.execute(query)),
        key=lambda one: (-one.share, one.host),
    )


def _host(connection: Connection, row: Row[Any]) -> HostHealth:
    return HostHealth(
        host=row.host,
        runs=int(row.runs),
        troubled=int(row.troubled),
        broken=int(row.broken),
        last_seen=row.seen,
        last_trouble=row.trouble,
        last_reason=_reason(connection, row.host, row.trouble) if row.trouble else "",
    )


def _reason(connection: Connection, host: str, started: float) -> str:
    query = select(results.c.message).join(tests, tests.c.id == results.c.test_id)
    query = query.join(runs, runs.c.id == results.c.run_id).where(
        runs.c.started == started,
        tests.c.host == host,
        results.c.outcome == str(Outcome.BROKEN),
    )
    return str(connection.scalar(query.order_by(results.c.test_id).limit(1)) or "")
