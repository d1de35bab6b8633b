"""Which calls work on which driver, measured: from what the cases called, against what is declared.

works                 some call with some arguments succeeded
declared but fails    the driver declares it, and no call ever succeeded
unsupported           it is not declared, and no call succeeded
crashes, hangs        a call took the daemon along, or did not return
untested              nobody called it
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.journal import Event, read
from ci.model import CaseResult, Record
from suites.hypervisor.calls import CRASHED, HUNG, OK, Tallies, Tally
from suites.tck.declared import declared
from suites.tck.events import calls_file


class Status(enum.StrEnum):
    WORKS = "works"
    FAILS = "declared but fails"
    UNSUPPORTED = "unsupported"
    CRASHES = "crashes"
    HANGS = "hangs"
    UNTESTED = "untested"


class Cell(Record, frozen=True, kw_only=True):
    """One call on one driver. ``codes`` are libvirt's error codes that were seen."""

    status: Status
    declared: bool
    calls: int = 0
    ways: int = 0  # distinct classes of arguments
    seconds: float = 0.0
    slowest: float = 0.0
    codes: tuple[int, ...] = ()


class Matrix(Record, frozen=True, kw_only=True):
    """By driver, then by function."""

    drivers: dict[str, dict[str, Cell]]

    def functions(self) -> tuple[str, ...]:
        return tuple(sorted({name for cells in self.drivers.values() for name in cells}))


class Change(Record, frozen=True, kw_only=True):
    """What a call was, and what it is now."""

    driver: str
    function: str
    before: Status
    after: Status

    @property
    def lost(self) -> bool:
        return self.before is Status.WORKS and self.after is not Status.UNTESTED


def from_ledgers(ledgers: Iterable[Path]) -> Matrix:
    """The matrix of what these ledgers recorded. Raises InfraError for a damaged one."""
    tallies: dict[str, list[Tally]] = {}
    for ledger in ledgers:
        driver = ""
        for event in _events(calls_file(ledger)):
            found = from_json(event.data, Tallies)
            driver = found.driver
            tallies.setdefault(driver, []).extend(found.calls)
        tallies.setdefault(driver, []).extend(_fatal(ledger))
    return Matrix(drivers={name: of_driver(name, calls) for name, calls in tallies.items() if name})


def _events(path: Path) -> Iterable[Event]:
    return read(path) if path.exists() else ()


def _fatal(ledger: Path) -> Iterable[Tally]:
    """Calls that took the suite's own process along left no tally; their case names them."""
    for event in _events(ledger):
        if event.what != "case":
            continue
        case = from_json(event.data, CaseResult)
        if function := case.properties.get("function"):
            outcome = HUNG if case.properties.get("verdict") == "hung" else CRASHED
            yield Tally(
                function=function, arguments="", outcome=outcome, count=1, seconds=0, slowest=0
            )


def of_driver(driver: str, calls: Iterable[Tally]) -> dict[str, Cell]:
    """Each function that the driver declares or that was called."""
    known = declared(driver)
    called: dict[str, list[Tally]] = {}
    for tally in calls:
        called.setdefault(tally.function, []).append(tally)
    return {
        function: _cell(called.get(function, []), is_declared=function in known)
        for function in sorted(known | called.keys())
    }


def _cell(tallies: list[Tally], *, is_declared: bool) -> Cell:
    outcomes = {tally.outcome for tally in tallies}
    return Cell(
        status=_status(outcomes, is_declared=is_declared),
        declared=is_declared,
        calls=sum(tally.count for tally in tallies),
        ways=len({tally.arguments for tally in tallies}),
        seconds=round(sum(tally.seconds for tally in tallies), 6),
        slowest=max((tally.slowest for tally in tallies), default=0.0),
        codes=tuple(sorted(outcome for outcome in outcomes if outcome > OK)),
    )


def _status(outcomes: set[int], *, is_declared: bool) -> Status:
    if CRASHED in outcomes:
        return Status.CRASHES
    if HUNG in outcomes:
        return Status.HANGS
    if OK in outcomes:
        return Status.WORKS
    if not outcomes:
        return Status.UNTESTED
    return Status.FAILS if is_declared else Status.UNSUPPORTED


def changes(before: Matrix, after: Matrix) -> tuple[Change, ...]:
    """What became other since a former run. A call that nobody made this time is not lost."""
    return tuple(
        Change(driver=driver, function=function, before=old.status, after=new.status)
        for driver, cells in after.drivers.items()
        for function, new in cells.items()
        if (old := before.drivers.get(driver, {}).get(function)) and _news(old.status, new.status)
    )


def _news(old: Status, new: Status) -> bool:
    return old is not new and Status.UNTESTED not in (old, new)


def counts(cells: Mapping[str, Cell]) -> dict[Status, int]:
    return {status: sum(c.status is status for c in cells.values()) for status in Status}


def coverage(cells: Mapping[str, Cell]) -> float:
    """The share of declared calls that were really made, 0 to 1; 0 where none is declared."""
    declared_cells = [cell for cell in cells.values() if cell.declared]
    tested = sum(cell.status is not Status.UNTESTED for cell in declared_cells)
    return tested / len(declared_cells) if declared_cells else 0.0


def merged(before: Matrix, after: Matrix) -> Matrix:
    """What is known after both: a call that was not made this time keeps what it was."""
    drivers = dict(before.drivers)
    for driver, cells in after.drivers.items():
        kept = dict(drivers.get(driver, {}))
        fresh = {name: cell for name, cell in cells.items() if cell.calls or name not in kept}
        drivers[driver] = kept | fresh
    return Matrix(drivers=drivers)


def load(path: Path) -> Matrix:
    """A matrix that was written before; an empty one when there is none."""
    return from_json(path.read_bytes(), Matrix) if path.exists() else Matrix(drivers={})


def save(path: Path, matrix: Matrix) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(matrix), indent=1))
    part.replace(path)
