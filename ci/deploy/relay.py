"""A connection that goes through another host, shaped like the socket that a client wants."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol, Self


class Closing(Protocol):
    """Something that can be ended."""

    def close(self) -> None: ...


class Relay:
    """A channel of a connection to the host in between; closing it ends that connection, too."""

    def __init__(self, channel: Any, outer: Closing) -> None:
        self._channel = channel
        self._outer = outer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _closed(self) -> bool:
        """Asked for under this name by paramiko, as sockets have it."""
        return bool(self._channel.closed)

    def send(self, data: bytes) -> int:
        return int(self._channel.send(data))

    def recv(self, size: int) -> bytes:
        received: bytes = self._channel.recv(size)
        return received

    def settimeout(self, seconds: float | None) -> None:
        self._channel.settimeout(seconds)

    def close(self) -> None:
        # a second call, or a connection that is gone, finds nobody to say good-bye to
        with suppress(EOFError, OSError):
            self._channel.close()
        self._outer.close()
