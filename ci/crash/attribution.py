"""Which call a daemon died or hung in, read from a loop's ledger."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.journal import Event, read
from ci.model import CaseResult, Outcome, Record
from suites.stress.ledger import Operation
from suites.stress.options import Options

LOSSES = {
    "closed the connection": r"End of file while reading data",
    "was killed or reset the connection": r"Connection reset by peer|Broken pipe",
    "had closed the connection before": r"client socket is closed",
    "is not there": r"(?:[Uu]nable|[Ff]ailed) to connect (?:to|socket)|Connection refused",
    "hung up": r"received hangup|the connection broke",
}
"""What libvirt's client says when the daemon behind it is gone, and what it means."""
HANG = re.compile(r"did not return within [\d.]+ s")
_CALL = re.compile(r"(?P<call>\w+)(?:: | did not return| hung)")
_NOW = re.compile(r"the daemon was process (\S+), now it is process (\S+?)\)")


class Fate(enum.StrEnum):
    """What became of the daemon."""

    DIED = "died"
    HUNG = "hung"


class Blamed(Record, frozen=True, kw_only=True):
    """The call during which a daemon died or hung.

    ``pid_after`` is 0 when nobody saw it come back; ``seconds_away`` is at most the time from the
    failing call to the first one that worked again, -1 when none did. ``at`` is seconds since the
    epoch.
    """

    fate: Fate
    call: str
    op: str
    connection: str
    iteration: int
    guest: str
    at: float
    seconds_into: float
    pid_before: int
    pid_after: int = 0
    seconds_away: float = -1.0
    meaning: str = ""
    message: str = ""

    def sentence(self) -> str:
        """For people."""
        call = f"{self.call} in {self.op}" if self.call != self.op else self.op
        end = "hung" if self.fate is Fate.HUNG else f"{self.meaning}"
        after = (
            f"; process {self.pid_after} answered {self.seconds_away:.1f} s later"
            if self.pid_after
            else "; it did not come back while the loop ran"
        )
        return (
            f"iteration {self.iteration}: during {call} of {self.guest} the daemon (process"
            f" {self.pid_before}) {end}, {self.seconds_into:.2f} s into the call{after}"
        )


def loss_meaning(message: str) -> str:
    """What an error text says about the daemon; empty when it is no loss of it."""
    return next((said for said, text in LOSSES.items() if re.search(text, message)), "")


def blame(ledger: Path) -> tuple[Blamed, ...]:
    """Every death and hang in a ledger. Raises InfraError when the ledger is damaged."""
    return blame_events(read(ledger))


def blame_events(events: Iterable[Event]) -> tuple[Blamed, ...]:
    """The same over events."""
    found: list[Blamed] = []
    connection, away = "", False
    last: Operation | None = None
    judged: set[str] = set()  # failed cases: one that is told again is no other death
    for event in events:
        if event.what in ("soak", "resumed"):
            connection = from_json(event.data, Options).connect
        elif event.what == "op":
            last = op = from_json(event.data, Operation)
            if op.outcome is Outcome.PASSED:
                if away:
                    found[-1] = _back(found[-1], op, event.at)
                away = False
            elif (blamed := _blamed(op, event.at, connection)) is not None:
                found.append(blamed)
                away = True
        elif event.what == "case":
            case = from_json(event.data, CaseResult)
            if case.name in judged:
                continue
            if case.outcome is not Outcome.PASSED:
                judged.add(case.name)
            if away:
                found[-1] = _told(found[-1], case.message)
            elif (blamed := _between(case, last, event.at, connection)) is not None:
                found.append(_told(blamed, case.message))
                away = True
    return tuple(found)


def _blamed(op: Operation, at: float, connection: str) -> Blamed | None:
    hung = bool(HANG.search(op.message))
    meaning = loss_meaning(op.message)
    if not hung and not meaning:
        return None
    call = _CALL.match(op.message)
    return Blamed(
        fate=Fate.HUNG if hung else Fate.DIED,
        call=call["call"] if call else op.op,
        op=op.op,
        connection=connection,
        iteration=op.iteration,
        guest=op.guest,
        at=op.start + op.seconds if op.start else at,
        seconds_into=op.seconds,
        pid_before=op.daemon_pid,
        meaning=meaning,
        message=op.message,
    )


def _between(case: CaseResult, last: Operation | None, at: float, connection: str) -> Blamed | None:
    """A death outside the operations: while what an iteration left was looked at."""
    lost = bool(HANG.search(case.message)) or bool(loss_meaning(case.message))
    if case.outcome is not Outcome.FAILED or last is None or not lost:
        return None
    checking = msgspec.structs.replace(
        last, op="check", seconds=0.0, message=case.message, outcome=case.outcome
    )
    return _blamed(checking, at, connection)


def _back(blamed: Blamed, op: Operation, at: float) -> Blamed:
    """The first call that works again tells which process answers now."""
    return _with(blamed, op.daemon_pid, max(0.0, (op.start or at - op.seconds) - blamed.at))


def _told(blamed: Blamed, message: str) -> Blamed:
    """The iteration's verdict names both processes when it saw them."""
    found = _NOW.search(message)
    if found is None or not found[2].isdigit():
        return blamed
    return _with(blamed, int(found[2]), blamed.seconds_away)


def _with(blamed: Blamed, pid_after: int, seconds_away: float) -> Blamed:
    return msgspec.structs.replace(blamed, pid_after=pid_after, seconds_away=seconds_away)
