"""One kept connection to a host, and the sessions that threads have open on it.

A dropped connection is opened again for the next session alone; no command is ever sent twice.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import cast

from ci.deadline import Deadline
from ci.deploy.idle import IDLE
from ci.deploy.ssh import (
    BROKEN,
    UNANSWERED_SECONDS,
    Channel,
    Client,
    Transport,
    connect,
    open_session,
)
from ci.deploy.ssh_errors import SshTarget
from ci.errors import InfraError, Interrupted, TimedOut

SESSIONS = 8  # sshd allows 10 on one connection by default
CONNECT_SECONDS = 60.0


class KeptConnection:
    """A login that is opened when first asked for, and again after it dropped."""

    def __init__(self, target: SshTarget) -> None:
        self._target = target
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(SESSIONS)

    def leave(self) -> None:
        """Leave the connection to the next who asks for this login."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            _keep(self._target, client)

    def close(self) -> None:
        """End the connection; the next session would open it again."""
        with self._lock:
            self._drop()

    @contextlib.contextmanager
    def session(self, what: str, deadline: Deadline) -> Iterator[Channel]:
        """A session of its own, closed at the end."""
        deadline.check(what)
        if not self._slots.acquire(timeout=deadline.remaining()):
            raise TimedOut(f"{what}: {SESSIONS} commands were running there all the time")
        try:
            channel = self._open(what, deadline)
            try:
                yield channel
            finally:
                with contextlib.suppress(EOFError, OSError):  # the connection may be gone
                    channel.close()
        finally:
            self._slots.release()

    @contextlib.contextmanager
    def translated(self, what: str, deadline: Deadline) -> Iterator[None]:
        """Say in one sentence how the connection broke during something."""
        try:
            yield
        except BROKEN as error:
            raise self._lost(what, deadline, error) from None

    def _open(self, what: str, deadline: Deadline) -> Channel:
        """A session; when a kept connection proves dead here, no command was sent: connect anew."""
        transport, fresh = self._transport(deadline)
        asked = time.monotonic()
        try:
            return open_session(transport, deadline)
        except BROKEN as error:
            if time.monotonic() - asked > UNANSWERED_SECONDS or not deadline.expired():
                self._hang_up(transport)
            if deadline.expired() or fresh:
                raise self._lost(what, deadline, error) from None
        with self.translated(what, deadline):
            return open_session(self._transport(deadline)[0], deadline)

    def _transport(self, deadline: Deadline) -> tuple[Transport, bool]:
        """The connection, and whether it was just made."""
        with self._lock:
            if self._client is None and (idle := IDLE.take(self._target)) is not None:
                self._client = cast(Client, idle)
            transport = self._client.get_transport() if self._client else None
            if transport is not None and transport.is_active():
                return transport, False
            self._drop()
            self._client = connect(self._target, deadline.within(CONNECT_SECONDS))
            made = self._client.get_transport()
            if made is None:
                raise InfraError(f"{self._target.name} closed the SSH connection at once")
            return made, True

    def _hang_up(self, transport: Transport) -> None:
        """Unless another thread has connected anew meanwhile."""
        with self._lock:
            if self._client is not None and self._client.get_transport() is transport:
                self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _lost(self, what: str, deadline: Deadline, error: Exception) -> InfraError | Interrupted:
        if deadline.stopped():
            return Interrupted(f"stopped during {what}")
        if deadline.expired():
            return TimedOut(f"{what}: no answer in time")
        return InfraError(
            f"the SSH connection to {self._target.name} broke during: {what}",
            hint="see the host's console and its sshd; the command may have run or not",
            detail=str(error) or type(error).__name__,
        )


def _keep(target: SshTarget, client: Client) -> None:
    transport = client.get_transport()
    if transport is not None and transport.is_active():
        IDLE.give(target, client)
    else:
        client.close()
