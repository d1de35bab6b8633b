"""What is kept of libvirt calls: function, class of arguments, outcome, seconds."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from ci.model import Record
from suites.hypervisor.trail import Made, Trail

OK = 0  # outcomes above zero are libvirt's error codes
HUNG = -1
CRASHED = -2

# integers that choose what is done; all others only say how much or which one
CHOICES = frozenset(
    ("flags", "type", "types", "level", "state", "action", "target", "mode", "stats", "what")
)
SHOWN_LENGTH = 80
NOTE_CALL = 128  # bytes for the name of a call ...
NOTE = 512  # ... and with that of a case


class Tally(Record, frozen=True, kw_only=True):
    """Equal calls: ``function`` is libvirt's C name; ``seconds`` their sum."""

    function: str
    arguments: str
    outcome: int
    count: int
    seconds: float
    slowest: float


class Tallies(Record, frozen=True, kw_only=True):
    """The calls of one case. ``driver`` is what virConnectGetType says, in lower case.

    ``made`` is their sequence on the connection ``uri``, kept of a case that the daemon did not
    survive. When it had died before the case made a call, they are those of the case ``before``.
    """

    driver: str
    calls: tuple[Tally, ...]
    made: tuple[Made, ...] = ()
    uri: str = ""
    before: str = ""


class _Sum(msgspec.Struct):
    count: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


class Recorder:
    """Counts calls until they are taken; safe to use from several threads."""

    def __init__(self, note: mmap.mmap | None = None) -> None:
        self.note = note  # memory that outlives this process: NOTE bytes
        self.trail = Trail()
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str, int], _Sum] = {}
        self.last = ""  # the function called last, to blame it for what happens after it
        self.case = self.before = ""

    def begin(self, function: str) -> None:
        """Note the call that is about to be made, for whoever finds this process dead."""
        if self.note is not None:
            self.note[:NOTE_CALL] = function.encode().ljust(NOTE_CALL, b"\0")[:NOTE_CALL]

    def note_case(self, case: str) -> None:
        """Note the case that is about to run, likewise."""
        self.before, self.case = self.case, case
        if self.note is not None:
            length = NOTE - NOTE_CALL
            self.note[NOTE_CALL:NOTE] = case.encode().ljust(length, b"\0")[:length]

    def add(self, function: str, arguments: str, outcome: int, seconds: float) -> None:
        with self._lock:
            self.last = function
            entry = self._sums.setdefault((function, arguments, outcome), _Sum())
            entry.count += 1
            entry.seconds += seconds
            entry.slowest = max(entry.slowest, seconds)

    def since(self) -> str:
        """What came before the end of a daemon that is found dead now."""
        with self._lock:
            idle = not self._sums and self.before
        return f"after {self.last} had returned" + (f" in {self.before}" if idle else "")

    def fatal(self) -> tuple[tuple[Made, ...], str]:
        """The calls that a daemon did not survive, and whose they are if not this case's own."""
        own = self.trail.made()
        return (own, "") if own or not self.before else (self.trail.before(), self.before)

    def functions(self) -> frozenset[str]:
        """Every function called since the calls were taken."""
        with self._lock:
            return frozenset(function for function, _, _ in self._sums)

    def take(self) -> tuple[Tally, ...]:
        """The calls so far; counting starts anew."""
        self.trail.clear()
        with self._lock:
            sums, self._sums = self._sums, {}
        return tuple(
            Tally(
                function=function,
                arguments=arguments,
                outcome=outcome,
                count=entry.count,
                seconds=round(entry.seconds, 6),
                slowest=round(entry.slowest, 6),
            )
            for (function, arguments, outcome), entry in sums.items()
        )


def argument_class(names: Sequence[str], values: Sequence[Any]) -> str:
    """Arguments that lead to the same code of the driver give the same text."""
    pairs = zip(names, values, strict=False)
    return ", ".join(_one(name, value) for name, value in pairs)[:SHOWN_LENGTH]


def _one(name: str, value: Any) -> str:
    match value:
        case None:
            return f"{name}=none"
        case bool() | int():
            return f"{name}={value:#x}" if name in CHOICES else name
        case str() if value.startswith("<"):
            return value[: max(value.find(">"), value.find(" "))].split()[0].rstrip(">") + ">"
        case dict():
            return f"{name}={{{','.join(sorted(map(str, value)))}}}"
        case _:
            return name
