"""What a command printed: its end in memory, and all of it in a log file."""

from __future__ import annotations

from collections import deque
from typing import BinaryIO

LIMIT_BYTES = 16 * 2**20


class Tail:
    """The last ``limit`` bytes of a stream; all of it goes to ``log`` too when there is one."""

    def __init__(self, log: BinaryIO | None = None, *, limit: int = LIMIT_BYTES) -> None:
        self._log = log
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        if self._log is not None:
            self._log.write(data)
        self._chunks.append(data)
        self._size += len(data)
        while self._size - len(self._chunks[0]) >= self._limit:
            self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        """Undecodable bytes are replaced."""
        return b"".join(self._chunks)[-self._limit :].decode(errors="replace")
