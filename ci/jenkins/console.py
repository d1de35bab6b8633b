"""A console as it grows: asked for from where it stopped, never printed twice, notes taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ci.jenkins.controller import Chunk

_NOTE = re.compile("\x1b\\[8mha:.*?\x1b\\[0m", re.DOTALL)
_CONTROL = re.compile("\x1b\\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def plain(text: str) -> str:
    """Text for a terminal: LF lines, without the controller's notes and any control sequence."""
    return _CONTROL.sub("", _NOTE.sub("", text).replace("\r\n", "\n"))


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a console was read; ``rest`` is a line that has not ended yet, notes and all."""

    start: int = 0
    rest: str = ""


def advance(cursor: Cursor, chunk: Chunk) -> tuple[str, Cursor]:
    """The new whole lines, and the cursor behind them.

    The controller counts bytes its own way (LF, notes), so the offset is always the one it gave.
    Asked beyond the end (a restart may have cut the log) it starts again at 0: nothing is printed.
    """
    if chunk.next < cursor.start:
        return "", Cursor(chunk.next)
    text = cursor.rest + chunk.text
    if not chunk.more:
        return plain(text), Cursor(chunk.next)
    whole, newline, rest = text.rpartition("\n")
    return plain(whole + newline), Cursor(chunk.next, rest)
