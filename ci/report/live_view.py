"""What a person at a terminal sees: a table that stays, with rate and time left; failures above it.

In a pipe or in Jenkins there is no such table, only lines.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from ci.deadline import Clock, SystemClock
from ci.model import CaseResult, Outcome
from ci.report.console import STYLES, ConsoleWatcher, tally
from ci.report.statement import rate
from ci.report.wording import duration, named
from ci.report.xml_text import printable
from ci.watcher import Watcher

REFRESHES = 4  # a second
DONE_SHOWN = 6
FEWEST = 5  # cases before the time left is told: the first ones bear the start of the suite


@dataclass
class _Row:
    began: float
    said: str = ""
    seconds: float | None = None
    outcome: Outcome | None = None
    counts: Counter[Outcome] = field(default_factory=Counter)


class LiveView:
    """A watcher that keeps one row per step. ``expected`` are cases per step, where known."""

    def __init__(
        self,
        console: Console,
        expected: Mapping[str, int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._lines = ConsoleWatcher(console)
        self._expected = dict(expected or {})
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}

    def started(self, step: str) -> None:
        with self._lock:
            self._rows[step] = _Row(self._clock.monotonic())

    def said(self, step: str, text: str) -> None:
        with self._lock:
            self._row(step).said = printable(text.splitlines()[0] if text else "")

    def case(self, step: str, result: CaseResult) -> None:
        with self._lock:
            row = self._row(step)
            row.counts[result.outcome] += 1
            row.said = named(result.name)
        if result.outcome in (Outcome.FAILED, Outcome.BROKEN):
            self._lines.case(step, result)

    def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None:
        with self._lock:
            self._row(step).counts.subtract(Counter(result.outcome for result in results))
        self._lines.withdrawn(step, results, why)

    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None:
        with self._lock:
            row = self._row(step)
            row.outcome, row.seconds = outcome, seconds
        if outcome in (Outcome.FAILED, Outcome.BROKEN):
            self._lines.ended(step, outcome, seconds, again=again)

    def _row(self, step: str) -> _Row:
        return self._rows.setdefault(step, _Row(self._clock.monotonic()))

    def __rich__(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, expand=True)
        for column, ratio in (("step", 3), ("time", 1), ("so far", 6)):
            table.add_column(column, ratio=ratio, no_wrap=True, overflow="ellipsis")
        with self._lock:
            over = [name for name, row in self._rows.items() if row.outcome is not None]
            hidden = set(over[:-DONE_SHOWN])
            for name, row in self._rows.items():
                if name not in hidden:
                    table.add_row(escape(name), self._time(row), self._text(name, row))
        return table

    def _time(self, row: _Row) -> str:
        seconds = self._clock.monotonic() - row.began if row.seconds is None else row.seconds
        return duration(seconds)

    def _text(self, name: str, row: _Row) -> str:
        parts = [tally(row.counts)] if row.counts else []
        parts += self._left(name, row) + self._rate(row)
        if row.outcome is not None:
            return f"[{STYLES[row.outcome]}]{row.outcome}[/] {escape('; '.join(parts))}"
        return escape("; ".join([*parts, row.said] if row.said else parts))

    def _rate(self, row: _Row) -> list[str]:
        failed = row.counts[Outcome.FAILED]
        found = rate(failed, failed + row.counts[Outcome.PASSED])
        return [found.text] if found and failed else []

    def _left(self, name: str, row: _Row) -> list[str]:
        expected, done = self._expected.get(name, 0), row.counts.total()
        if row.outcome is not None or not expected or done < FEWEST:
            return []
        passed = self._clock.monotonic() - row.began
        left = max(0.0, passed / done * (expected - done))
        return [f"{done}/{expected}, {duration(left)} left"]


@contextmanager
def watching(console: Console, expected: Mapping[str, int] | None = None) -> Iterator[Watcher]:
    """The watcher that suits where the output goes; on a terminal the table ends with the block."""
    if not console.is_terminal:
        yield ConsoleWatcher(console)
        return
    view = LiveView(console, expected)
    with Live(view, console=console, refresh_per_second=REFRESHES, transient=False):
        yield view
