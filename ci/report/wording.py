"""How numbers and foreign text are written in reports."""

from __future__ import annotations

from datetime import UTC, datetime

from ci.report.xml_text import bounded, printable

LONGEST = 600
NAME = 120


def clock(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """``0.18 ms``, ``0.21 s``, ``42.5 s``, ``7 min 5 s``, ``3 h 20 min``."""
    if 0 < seconds < 0.01:
        return f"{seconds * 1000:.2f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the last unit takes every size")


def percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def named(text: str) -> str:
    """A foreign name on one line, visible and bounded; what is too long loses its middle."""
    line = printable(" ".join(text.split()))
    if len(line) <= NAME:
        return line
    return f"{line[: NAME // 2]}[...]{line[5 - NAME // 2 :]}"


def tidy(text: str) -> str:
    """The first line, visible and bounded."""
    lines = text.strip().splitlines()
    return bounded(printable(lines[0]), LONGEST) if lines else ""
