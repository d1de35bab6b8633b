"""Who is told what a run does, for people. Facts go to the journal; nothing here is truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ci.model import CaseResult, Outcome


class Watcher(Protocol):
    """Told of each step and each case. Called from several threads."""

    def started(self, step: str) -> None:
        """A step begins."""

    def said(self, step: str, text: str) -> None:
        """Progress within a step."""

    def case(self, step: str, result: CaseResult) -> None:
        """One verdict of a suite is in its ledger."""

    def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None:
        """Verdicts that were told of before are none: they are out of the ledger again."""

    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None:
        """A step is over; ``again`` is false when the journal had it already."""


class Silent:
    """Tells nobody."""

    def started(self, step: str) -> None: ...
    def said(self, step: str, text: str) -> None: ...
    def case(self, step: str, result: CaseResult) -> None: ...
    def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None: ...
    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None: ...


class Watchers:
    """Tells several, in order."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def started(self, step: str) -> None:
        for watcher in self._watchers:
            watcher.started(step)

    def said(self, step: str, text: str) -> None:
        for watcher in self._watchers:
            watcher.said(step, text)

    def case(self, step: str, result: CaseResult) -> None:
        for watcher in self._watchers:
            watcher.case(step, result)

    def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None:
        for watcher in self._watchers:
            watcher.withdrawn(step, results, why)

    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None:
        for watcher in self._watchers:
            watcher.ended(step, outcome, seconds, again=again)
