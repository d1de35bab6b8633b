"""What a guest says on its console: the proof that it lives, and which boot this is."""

from __future__ import annotations

import re
from collections import deque

TAIL_LINES = 60
LONGEST_LINE = 4096
_MARK = re.compile(r"virtci-guest (?:beat=(\d+) )?boot_id=([0-9a-f-]{36})")


class Transcript:
    """The console's text as it comes: the last lines, the boot id, the heartbeats of that boot."""

    def __init__(self) -> None:
        self.boot_id = ""
        self.beats = 0
        self._rest = ""
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)

    def feed(self, data: bytes) -> None:
        """Take what was read; a line may come in pieces."""
        text = self._rest + data.decode(errors="replace").replace("\r", "")
        *lines, rest = text.split("\n")
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            self._understand(line)

    def _understand(self, line: str) -> None:
        if line.strip():
            self._lines.append(line[:LONGEST_LINE])
        if mark := _MARK.search(line):
            if mark[2] != self.boot_id:
                self.boot_id, self.beats = mark[2], 0
            if mark[1]:
                self.beats += 1

    def tail(self, lines: int = 20) -> str:
        """The last lines, for people."""
        return "\n".join([*self._lines, self._rest][-lines:]).strip("\n")
