"""Which behaviours hold where: per suite one row per area, one column per host."""

from __future__ import annotations

from collections import Counter

from ci.model import Outcome, Record
from ci.report.results import RunResults
from ci.report.tallies import is_loop

DIFFERENT_SHOWN = 200
AREAS_SHOWN = 300


class Parity(Record, frozen=True, kw_only=True):
    """One suite on all its hosts (``columns``). ``cells`` are per area one Counter per column;
    ``different`` are behaviours on which the columns disagree, with an outcome (or nothing) per
    column."""

    suite: str
    columns: tuple[str, ...]
    areas: tuple[tuple[str, tuple[Counter[Outcome], ...]], ...]
    different: tuple[tuple[str, tuple[str, ...]], ...]
    different_left_out: int


def parity(results: RunResults) -> list[Parity]:
    """A matrix for each suite that is made of named behaviours; suites are not compared."""
    found: dict[str, dict[str, dict[str, Outcome]]] = {}
    columns: dict[str, dict[str, None]] = {}
    for suite in results.suites:
        for case in suite.cases:
            if is_loop(case):
                break
            columns.setdefault(suite.suite, {})[suite.host] = None
            row = found.setdefault(suite.suite, {}).setdefault(case.name, {})
            row[suite.host] = case.outcome
    return [_matrix(suite, tuple(columns[suite]), rows) for suite, rows in found.items()]


def _matrix(suite: str, columns: tuple[str, ...], found: dict[str, dict[str, Outcome]]) -> Parity:
    areas: dict[str, dict[str, Counter[Outcome]]] = {}
    for name, outcomes in found.items():
        row = areas.setdefault(name.rpartition("/")[0], {column: Counter() for column in columns})
        for column, outcome in outcomes.items():
            row[column][outcome] += 1
    different = [
        (name, tuple(str(outcomes.get(column, "")) for column in columns))
        for name, outcomes in found.items()
        if len({outcomes.get(column) for column in columns}) > 1
    ]
    return Parity(
        suite=suite,
        columns=columns,
        areas=tuple(
            (area, tuple(row.values())) for area, row in sorted(areas.items())[:AREAS_SHOWN]
        ),
        different=tuple(different[:DIFFERENT_SHOWN]),
        different_left_out=max(0, len(different) - DIFFERENT_SHOWN),
    )
