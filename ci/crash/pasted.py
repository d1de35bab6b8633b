"""Pasted debugger text to whole lines: no prompts, quote marks, log prefixes or wrapped frames."""

from __future__ import annotations

import re
from collections.abc import Iterator

FRAME = re.compile(r"\s*#(\d+)\s+\S")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x00")
_QUOTED = re.compile(r"^(?:[>|:] ?)+")  # by mail, in tables, in ABRT's reports
_IS_QUOTED = re.compile(r"^(?:[>|:] ?)+\s*#\d+\s", re.MULTILINE)
_ASSERTION_OPEN = re.compile(r"\.[ch]:\d+: .*Assertion [`'](?!.*' failed)")
_PAGER = re.compile(r"-{2,3}\s?Type <(?:return|RET)>.*?(?:paging|to quit)-{2,3}")
_PROMPT = re.compile(r"^\s*(?:\(gdb\)\s*)+")
_LOGGED = re.compile(
    r"^(?:\w{3}\s+\d+ [\d:]{8}(?:\.\d+)?|\d{4}-\d\d-\d\dT[\d:.+Z-]+)\s+"
    r"\S+\s+[\w.@/-]+(?:\[\d+\])?: "
)
_SETS_OFF = re.compile(
    r"\s*(?:#\d+\s|Thread \d|\[(?:Switching|Current|New|Thread)|Stack trace of|Program (?:received|"
    r"terminated)|Core was generated|Backtrace stopped|\(More stack|No locals|==\d+==|TID \d)"
)
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_CHARACTER = re.compile(r"'(?:\\[^']+|[^'])'")
_PLACE_FOLLOWS = re.compile(r"\s*(?:at \S+:\d+|at \S+$|from \S+)")
_PLACED = re.compile(r"\)\s+(?:\[.*\]\s+)?(?:at|from) \S")
MOST_CONTINUED = 80
LONGEST_LINE = 65536  # what somebody's blob is behind that tells nothing


def whole_lines(text: str) -> Iterator[str]:
    """The lines of a paste, each frame on one line of its own whatever it was wrapped to."""
    raw = [line[:LONGEST_LINE] for line in text.splitlines()]
    width = _terminal_width(raw)
    quoted = bool(_IS_QUOTED.search(text))
    frame, continued, glue = "", 0, " "
    for full in raw:
        line = _plain(full, quoted=quoted)
        if frame and _SETS_OFF.match(line):
            yield frame
            frame, continued = "", 0
        if FRAME.match(line) or _ASSERTION_OPEN.search(line):
            frame = line.strip()
        elif frame and continued < MOST_CONTINUED and _goes_on(frame, line):
            frame, continued = f"{frame}{glue}{line.strip()}", continued + 1
        else:
            if frame:
                yield frame
            frame, continued = "", 0
            yield line
        glue = "" if len(full) == width and not full.endswith(" ") else " "
    if frame:
        yield frame


def _terminal_width(lines: list[str]) -> int:
    """Where a terminal cut lines in the middle of words; 0 when none did."""
    longest = max(map(len, lines), default=0)
    cut = sum(len(line) == longest for line in lines)
    return longest if cut >= 2 and 60 <= longest <= 400 else 0


def _plain(raw: str, *, quoted: bool) -> str:
    line = _PAGER.sub("", _ESCAPES.sub("", raw))
    line = _LOGGED.sub("", _QUOTED.sub("", line) if quoted else line)
    return _PROMPT.sub("", line)


def _goes_on(frame: str, line: str) -> bool:
    """Whether ``line`` is more of a frame, or of a failed assertion, that was wrapped."""
    if not frame.startswith("#"):
        return bool(_ASSERTION_OPEN.search(frame)) and bool(line.strip())
    if not is_whole(frame):
        return True
    return bool(_PLACE_FOLLOWS.match(line)) and not _PLACED.search(frame)


def is_whole(frame: str) -> bool:
    """Whether every parenthesis and quote is closed and nothing is announced at the end."""
    if frame.endswith((" at", " from", " in", ",", "=")):
        return False
    bare = _CHARACTER.sub("", _STRING.sub("", frame))
    if '"' in bare:
        return False
    if "(" not in bare:
        return bool(re.search(r"<signal handler called>|\S:\d+$| in \S+ \S|\d+ +\w+$", bare))
    return bare.count("(") <= bare.count(")")
