"""A command that runs on a host: both outputs read together, until it has ended or must."""

from __future__ import annotations

import contextlib
import select
import threading
import time
from typing import Any, Protocol

from ci.deadline import Deadline
from ci.deploy.capture import Tail
from ci.deploy.remote_line import FirstLine
from ci.errors import Interrupted, TimedOut

POLL_SECONDS = 0.2
QUIET_SECONDS = 0.5
CHUNK = 2**16


class Channel(Protocol):
    """What is used of an SSH session."""

    closed: bool
    eof_received: int
    exit_status: int
    status_event: threading.Event

    def fileno(self) -> int: ...
    def recv_ready(self) -> bool: ...
    def recv(self, nbytes: int) -> bytes: ...
    def recv_stderr_ready(self) -> bool: ...
    def recv_stderr(self, nbytes: int) -> bytes: ...
    def exit_status_ready(self) -> bool: ...
    def sendall(self, s: Any) -> None: ...
    def shutdown_write(self) -> None: ...


class RemoteCommand:
    """One running command: reads both outputs together until it has ended."""

    def __init__(self, channel: Channel, what: str, out: Tail, *, has_log: bool) -> None:
        self.first_line = FirstLine()
        self.out = out
        self._err = out if has_log else Tail()
        self._channel = channel
        self._what = what
        self._moved_at = time.monotonic()

    def stderr(self) -> str:
        return "" if self._err is self.out else self._err.text()

    def follow(self, deadline: Deadline) -> int:
        """Read to the end; return the exit status."""
        ready = select.poll()
        ready.register(self._channel.fileno(), select.POLLIN)
        while not self._ended():
            if deadline.stopped():
                raise Interrupted(f"stopped during {self._what}")
            if deadline.expired():
                raise TimedOut(f"{self._what} did not end in time and was killed")
            if self._read():
                self._moved_at = time.monotonic()
            elif self._channel.eof_received:
                self._channel.status_event.wait(POLL_SECONDS)
            else:
                ready.poll(POLL_SECONDS * 1000)
        self.out.add(self.first_line.rest())
        return self._status()

    def _read(self) -> bool:
        moved = False
        if self._channel.recv_ready():
            self.out.add(self.first_line.feed(self._channel.recv(CHUNK)))
            moved = True
        if self._channel.recv_stderr_ready():
            self._err.add(self._channel.recv_stderr(CHUNK))
            moved = True
        return moved

    def _ended(self) -> bool:
        if self._channel.recv_ready() or self._channel.recv_stderr_ready():
            return False
        if self._channel.closed:
            return True
        if not self._channel.exit_status_ready():
            return False
        # A daemon that the command left behind may hold its output open for ever.
        quiet = time.monotonic() - self._moved_at
        return bool(self._channel.eof_received) or quiet > QUIET_SECONDS

    def _status(self) -> int:
        if self._channel.exit_status_ready() and self._channel.exit_status >= 0:
            return self._channel.exit_status
        if not self._channel.eof_received:
            raise ConnectionError("the connection ended before the command did")
        return -1


def feed(channel: Channel, stdin: str) -> None:
    """Send a command's input from a thread of its own, so that its output never waits for it."""
    data = stdin.encode()

    def send() -> None:
        # A command that ends without reading all of its input is its own business.
        with contextlib.suppress(OSError, EOFError):
            channel.sendall(data)
            channel.shutdown_write()

    threading.Thread(target=send, name="ssh-stdin", daemon=True).start()
