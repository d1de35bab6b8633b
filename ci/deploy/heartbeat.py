"""Keeps leases alive while a run uses their hosts: one thread and one connection each.

A lease that is lost is not fought for: the next command with its token is refused by the host.
"""

from __future__ import annotations

import logging
import threading

from ci.deadline import Deadline
from ci.deploy.lease import STATE, Leases
from ci.deploy.ssh_errors import SshTarget
from ci.deploy.sshshell import SshShell
from ci.errors import VirtciError

BEATS_PER_LIFE = 4
BEAT_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Heartbeat:
    """Renews one lease until told to stop. Ends with the process, however that ends."""

    def __init__(self, target: SshTarget, token: int, seconds: int, *, state: str = STATE) -> None:
        self.beats = 0
        self._target = target
        self._token = token
        self._seconds = seconds
        self._state = state
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The lease itself is left as it is."""
        self._stop.set()
        self._thread.join(BEAT_SECONDS)

    def _run(self) -> None:
        with SshShell(self._target) as shell:
            leases = Leases(shell, self._state)
            while not self._stop.wait(self._seconds / BEATS_PER_LIFE):
                self._beat(leases)

    def _beat(self, leases: Leases) -> None:
        deadline = Deadline.after(min(BEAT_SECONDS, self._seconds / 2))
        try:
            leases.renew(self._token, self._seconds, deadline)
            self.beats += 1
        except VirtciError as error:
            _log.warning("no heartbeat for the lease of %s: %s", self._target.name, error.message)


class Heartbeats:
    """The heartbeats of this process, by host and token."""

    def __init__(self) -> None:
        self._beating: dict[tuple[str, int], Heartbeat] = {}
        self._lock = threading.Lock()

    def start(self, target: SshTarget, token: int, seconds: int) -> None:
        """Nothing happens when it beats already."""
        with self._lock:
            if (target.place, token) not in self._beating:
                self._beating[target.place, token] = Heartbeat(target, token, seconds)

    def stop(self, target: SshTarget, token: int) -> None:
        with self._lock:
            heartbeat = self._beating.pop((target.place, token), None)
        if heartbeat is not None:
            heartbeat.stop()
