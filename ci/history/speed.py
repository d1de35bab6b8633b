"""Steps that take long, and steps that have become slow: where in time, and by how much.

The change point is Pettitt's (1979): it asks no distribution of the seconds, and its p-value is
that of "nothing changed".
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from sqlalchemy import Connection, select

from ci.history.schema import runs, steps
from ci.model import Record

LEAST_RUNS = 8
SURE = 0.01
WORTH_SHARE = 1.2
WORTH_SECONDS = 0.05
RECENT = 100


class ChangePoint(Record, frozen=True, kw_only=True):
    """Before ``index`` the values were around ``before``, from it on around ``after``."""

    index: int
    before: float
    after: float
    p_value: float


class StepSpeed(Record, frozen=True, kw_only=True):
    """A step over its recent runs; ``change`` and the run it began in, when there is one."""

    plan: str
    suite: str
    host: str
    step: str
    runs: int
    seconds: float
    change: ChangePoint | None = None
    changed_in: str = ""


def change_point(values: Sequence[float]) -> ChangePoint | None:
    """The most likely place of one change; None with too few values, or if it may be chance."""
    n = len(values)
    if n < LEAST_RUNS:
        return None
    best, at, score = 0, 0, 0
    for k in range(n - 1):
        score += sum((values[k] > other) - (values[k] < other) for other in values)
        if abs(score) > best:
            best, at = abs(score), k + 1
    p_value = min(1.0, 2.0 * math.exp(-6.0 * best**2 / (n**3 + n**2)))
    if p_value > SURE:
        return None
    return ChangePoint(
        index=at, before=median(values[:at]), after=median(values[at:]), p_value=p_value
    )


def speeds(connection: Connection, *, plan: str = "", since: float = 0.0) -> list[StepSpeed]:
    """Every step, the slowest first."""
    columns = (runs.c.plan, steps.c.suite, steps.c.host, steps.c.step)
    query = select(*columns, runs.c.name, steps.c.seconds)
    query = query.join(runs, runs.c.id == steps.c.run_id).where(runs.c.started >= since)
    if plan:
        query = query.where(runs.c.plan == plan)
    rows: dict[tuple[str, str, str, str], list[tuple[str, float]]] = defaultdict(list)
    for of_plan, suite, host, step, run, seconds in connection.execute(
        query.order_by(runs.c.started, runs.c.id)
    ):
        rows[of_plan, suite, host, step].append((run, seconds))
    found = [_speed(key, row[-RECENT:]) for key, row in rows.items()]
    return sorted(found, key=lambda one: -one.seconds)


def newly_slow(found: Sequence[StepSpeed]) -> list[StepSpeed]:
    """Those that became slower by more than a little, the worst first."""
    slow = [
        one
        for one in found
        if one.change is not None
        and one.change.after > one.change.before * WORTH_SHARE
        and one.change.after - one.change.before > WORTH_SECONDS
    ]
    return sorted(
        slow, key=lambda one: -(one.change.after - one.change.before if one.change else 0)
    )


def _speed(key: tuple[str, str, str, str], row: list[tuple[str, float]]) -> StepSpeed:
    plan, suite, host, step = key
    values = [seconds for _, seconds in row]
    change = change_point(values)
    return StepSpeed(
        plan=plan,
        suite=suite,
        host=host,
        step=step,
        runs=len(values),
        seconds=median(values[-LEAST_RUNS:]),
        change=change,
        changed_in=row[change.index][0] if change else "",
    )
