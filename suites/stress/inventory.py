"""What a host has beside guests: xenstore entries, loop devices, bridges. Is more left than before?

The caller's command prints one line for each; lines that were not there before the loop are leaks.
"""

from __future__ import annotations

import time

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Argv, LocalShell

EVERY_SECONDS = 30.0  # asking may cost more than an iteration
SHOWN = 5


class Inventory:
    """Compared with the state before the loop, now and then and at the end."""

    def __init__(self, command: Argv, seconds: float) -> None:
        self._command = command
        self._seconds = seconds
        self._before = self._take()
        self._next = time.monotonic() + EVERY_SECONDS

    def _take(self) -> frozenset[str]:
        if not self._command:
            return frozenset()
        done = LocalShell().run(self._command, Deadline.after(self._seconds))
        if not done.ok:
            raise InfraError(
                f"the inventory failed with status {done.status}: {self._command}",
                detail=done.tail(),
            )
        return frozenset(line.strip() for line in done.stdout.splitlines() if line.strip())

    def due(self) -> bool:
        """Whether it is time to look again."""
        return bool(self._command) and time.monotonic() >= self._next

    def leaks(self) -> tuple[str, ...]:
        """A sentence about what is there now and was not before; nothing when all is well."""
        self._next = time.monotonic() + EVERY_SECONDS
        more = sorted(self._take() - self._before)
        if not more:
            return ()
        rest = f" and {len(more) - SHOWN} more" if len(more) > SHOWN else ""
        return (f"left on the host: {', '.join(more[:SHOWN])}{rest}",)
