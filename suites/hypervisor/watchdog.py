"""Deadlines around calls that cannot be interrupted, enforced by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

TICK = 0.25
GRACE = 20.0


@dataclass(slots=True, eq=False)
class Pending:
    """A call that is under way. The caller sets ``ended``; the watchdog the other three."""

    function: str
    at: float
    release: Callable[[], str]
    hung: bool = False
    evidence: str = ""
    handled: bool = False
    ended: bool = False


class Watchdog:
    """Ends calls that outlive their deadline.

    ``release`` of the call gathers evidence, makes the call return (by shutting its connection)
    and gives the evidence back. When the call does not return even so, ``stuck`` is called: the
    process cannot be saved then.
    """

    def __init__(self, stuck: Callable[[Pending], None]) -> None:
        self._stuck = stuck
        self._pending: dict[int, Pending] = {}
        self._thread: threading.Thread | None = None
        self._change = threading.Condition()

    def begin(self, function: str, seconds: float, release: Callable[[], str]) -> Pending:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()
        pending = Pending(function, time.monotonic() + seconds, release)
        self._pending[id(pending)] = pending
        return pending

    def end(self, pending: Pending) -> bool:
        """Whether the call was ended from outside; then its evidence is complete."""
        self._pending.pop(id(pending), None)
        if not pending.hung:
            return False
        with self._change:
            pending.ended = True
            self._change.notify_all()
            self._change.wait_for(lambda: pending.handled, GRACE * 3)
        return True

    def _watch(self) -> None:
        while True:
            time.sleep(TICK)
            now = time.monotonic()
            for pending in tuple(self._pending.values()):
                if now > pending.at and not pending.hung:
                    self._handle(pending)

    def _handle(self, pending: Pending) -> None:
        pending.hung = True
        pending.evidence = pending.release()
        with self._change:
            pending.handled = True
            self._change.notify_all()
            returned = self._change.wait_for(lambda: pending.ended, GRACE)
        if not returned:
            self._stuck(pending)
