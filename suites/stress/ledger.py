"""The ledger of a loop: one line per operation and one per iteration, and what they add up to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ci.codec import from_json
from ci.errors import UsageError
from ci.journal import Journal, read
from ci.model import CaseResult, Outcome, Record
from suites.stress.guard import CallHung
from suites.stress.options import Options
from suites.stress.totals import Totals
from suites.stress.verdict import Verdict, as_cases

GROUP_SECONDS = 0.25
ITERATION = "iteration-"
START = "start"  # the name of a case beside the iterations


class Operation(Record, frozen=True, kw_only=True, array_like=True):
    """One call or wait of an iteration. Its event tells when it was written down (``at``).

    ``start`` is seconds since the epoch, by a clock that may be set meanwhile; ``seconds`` are
    measured by one that is not. ``daemon_start`` is in clock ticks since boot; with the pid it
    names the daemon for ever.
    """

    iteration: int
    guest: str
    op: str
    seed: int
    seconds: float
    outcome: Outcome
    daemon_pid: int
    daemon_start: int
    domain_id: int
    boot_id: str
    message: str = ""
    start: float = 0.0  # the last one: ledgers of before have none


class _Line(msgspec.Struct):
    """An Event with its record in it: encoded at once, not twice. Two microseconds count here."""

    at: float
    what: str
    name: str
    data: object


_encoder = msgspec.json.Encoder()


class Ledger:
    """Opens the file, reads what was done before, and goes on behind the last whole iteration."""

    def __init__(self, options: Options) -> None:
        self.path = Path(options.ledger)
        self.journal = Journal(self.path, group_seconds=GROUP_SECONDS)
        self.totals = Totals()
        self.last: dict[str, str] = {}  # of several guests, the name of each one's last iteration
        self.beside: set[str] = set()  # cases that are no iterations
        self._recall(options)

    def _recall(self, options: Options) -> None:
        known = False
        latest: dict[str, int] = {}  # a case before it was told again, with what it died of
        for event in read(self.path, but="op"):
            if event.what == "soak":
                _same(from_json(event.data, Options), options, self.path)
                known = True
            elif event.what == "case" and ITERATION not in event.name:
                self.beside.add(event.name)
            elif event.what == "case":
                group, slash, name = event.name.rpartition("/")
                number = int(name.removeprefix(ITERATION))
                if number <= latest.get(group, 0):
                    continue
                latest[group] = number
                self.totals.add(from_json(event.data, CaseResult))
                if slash:
                    self.last[group] = name
        self.write("resumed" if known else "soak", options.scenario, options)

    def write(self, what: str, name: str, record: object) -> None:
        line = _Line(time.time(), what, name, record)
        self.journal.append_line(_encoder.encode(line))

    def case(self, case: CaseResult) -> None:
        """The iteration is whole now."""
        self.totals.add(case)
        self.write("case", case.name, case)

    def conclude(self, verdict: Verdict, *, suite: str, host: str, interrupted: bool) -> None:
        """Write the verdict, and what it has to say beside the iterations."""
        for case in as_cases(
            verdict, suite=suite, host=host, known=self.beside, interrupted=interrupted
        ):
            self.write("case", case.name, case)
        self.write("verdict", verdict.outcome, verdict)

    def close(self) -> None:
        self.journal.close()


@contextmanager
def told_at_start(ledger: Ledger, suite: str, host: str) -> Iterator[None]:
    """A hang on the way to the first iteration is a case of its own, until it is gone."""
    start = CaseResult(suite=suite, name=START, host=host, outcome=Outcome.PASSED)
    try:
        yield
    except CallHung as error:
        hung = replace(start, outcome=Outcome.FAILED, message=error.message, detail=error.detail)
        ledger.write("case", START, hung)
        raise
    if START in ledger.beside:
        ledger.write("case", START, start)


def _same(before: Options, now: Options, path: Path) -> None:
    if before.subject() != now.subject():
        raise UsageError(
            f"{path} is the ledger of another loop: {before.subject()}, not {now.subject()}",
            hint="use the same connection, scenario and seed, or another ledger",
        )
