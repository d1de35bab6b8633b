"""Connections that nobody uses just now, kept for whoever asks for the same login next.

The stages of a run follow each other within a second or two; each would connect anew. One that is
taken belongs to its taker alone. After ``IDLE_SECONDS`` it is closed instead of given.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from ci.deploy.ssh_errors import SshTarget

IDLE_SECONDS = 20.0
MOST = 2  # of one login


class Connection(Protocol):
    """What is kept; paramiko's client."""

    def close(self) -> None: ...


class Idle:
    """Idle connections of this process, by login; ``now`` is a clock of seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[SshTarget, list[tuple[float, Connection]]] = {}
        self._lock = threading.Lock()

    def take(self, target: SshTarget) -> Connection | None:
        """The one that was used last, if it is fresh."""
        with self._lock:
            stale = self._stale()
            mine = self._kept.get(target)
            found = mine.pop()[1] if mine else None
        _close(stale)
        return found

    def give(self, target: SshTarget, connection: Connection) -> None:
        """Keep it for the next; the oldest makes room."""
        with self._lock:
            stale = self._stale()
            mine = self._kept.setdefault(target, [])
            mine.append((self._now(), connection))
            if len(mine) > MOST:
                stale.append(mine.pop(0)[1])
        _close(stale)

    def forget(self, target: SshTarget) -> None:
        """Close those of a host that is handed back, or gone."""
        with self._lock:
            gone = [connection for _, connection in self._kept.pop(target, [])]
        _close(gone)

    def _stale(self) -> list[Connection]:
        """Take out what nobody asked for in time. Hold the lock."""
        oldest = self._now() - IDLE_SECONDS
        stale = [c for mine in self._kept.values() for at, c in mine if at < oldest]
        self._kept = {
            target: [(at, c) for at, c in mine if at >= oldest]
            for target, mine in self._kept.items()
        }
        return stale


def _close(connections: list[Connection]) -> None:
    """Outside of the lock: closing may wait for the connection's thread."""
    for connection in connections:
        connection.close()


IDLE = Idle()
