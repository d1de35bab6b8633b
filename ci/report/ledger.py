"""The cases of a suite's ledger, read from the file whenever they are asked for.

A long soak has a hundred thousand of them: only their number, their outcomes and which lines are
out of date is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import overload

import msgspec

from ci.codec import from_json
from ci.journal import read
from ci.model import CaseResult, Outcome
from ci.report.damage import damage_named

OPERATION = "op"
_ITERATION = re.compile(r"(?:.*/)?iteration-\d+$")


def is_iteration(name: str) -> bool:
    """Whether a case of this name is one iteration of a loop."""
    return bool(_ITERATION.match(name))


class _Judged(msgspec.Struct):
    outcome: Outcome
    seconds: float = 0.0


class LedgerCases(Sequence[CaseResult]):
    """The last result of each case, in the order of the file as it was when this was made.

    Raises InfraError, here and when it is gone through, when the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[Outcome] = Counter()
        self.loops: Counter[Outcome] = Counter()  # of the iterations of a loop alone
        self.seconds = 0.0
        self._others: dict[str, bytes] = {}
        self._events = 0
        self._stale: frozenset[int] = frozenset()
        with damage_named(path):
            self._scan()

    def _scan(self) -> None:
        latest: dict[str, tuple[int, _Judged]] = {}
        stale: set[int] = set()
        for number, event in enumerate(read(self.path, but=OPERATION)):
            self._events = number + 1
            if event.what == "case":
                if event.name in latest:
                    line, before = latest[event.name]
                    stale.add(line)
                    self._count(event.name, before, -1)
                latest[event.name] = (number, from_json(event.data, _Judged))
                self._count(event.name, latest[event.name][1], 1)
            else:
                self._others[event.what] = bytes(event.data)
        self.counts = +self.counts
        self._stale = frozenset(stale)

    def _count(self, name: str, judged: _Judged, one: int) -> None:
        self.counts[judged.outcome] += one
        if is_iteration(name):
            self.loops[judged.outcome] += one
        self.seconds += one * judged.seconds

    def last(self, what: str, default: bytes = b"{}") -> bytes:
        """The data (JSON) of the last event of this sort."""
        return self._others.get(what, default)

    def __len__(self) -> int:
        return self.counts.total()

    def __iter__(self) -> Iterator[CaseResult]:
        for number, event in enumerate(islice(read(self.path, but=OPERATION), self._events)):
            if event.what == "case" and number not in self._stale:
                with damage_named(self.path):
                    found = from_json(event.data, CaseResult)
                yield found

    @overload
    def __getitem__(self, index: int) -> CaseResult: ...
    @overload
    def __getitem__(self, index: slice) -> list[CaseResult]: ...
    def __getitem__(self, index: int | slice) -> CaseResult | list[CaseResult]:
        if isinstance(index, slice):
            return list(islice(self, *index.indices(len(self))))
        wanted = index if index >= 0 else index + len(self)
        for case in islice(self, max(0, wanted), max(0, wanted) + 1):
            return case
        raise IndexError(index)
