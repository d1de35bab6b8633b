"""Keeps ``junit.xml`` current while a run goes on, so that a crash still leaves a good file."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ci.model import CaseResult, Outcome
from ci.report import junit
from ci.report.loading import load
from ci.report.results import RunResults

LEAST_SECONDS = 2.0
SHARE = 10  # writing may take a tenth of the time


class LiveJUnit:
    """A watcher that rewrites the file after a step or case, but not all the time.

    Without ``at_ends`` a step's end is no reason: who has one long step writes at the end anyway.
    """

    def __init__(self, folder: Path, *, at_ends: bool = True) -> None:
        self.path = folder / "junit.xml"
        self._folder = folder
        self._at_ends = at_ends
        self._lock = threading.Lock()
        self._next = 0.0

    def started(self, step: str) -> None: ...

    def said(self, step: str, text: str) -> None: ...

    def case(self, step: str, result: CaseResult) -> None:
        if time.monotonic() >= self._next:
            self._try()

    def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None:
        self._try()

    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None:
        if again and self._at_ends:
            self._try()

    def _try(self) -> None:
        """A disk that is full now may have room at the end; the journal has it all."""
        with contextlib.suppress(OSError):
            self.write()

    def write(self, results: RunResults | None = None) -> None:
        """Write the file from the journal and the ledgers as they are now, or as they were read."""
        with self._lock:
            began = time.monotonic()
            junit.write(self.path, results or load(self._folder))
            took = time.monotonic() - began
            self._next = time.monotonic() + max(LEAST_SECONDS, SHARE * took)
