"""Pure: a build log cut into its phases, and the lines of it that tell something."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STAMP = re.compile(r"^\[ *\d+s\] ?")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RPM_PHASE = re.compile(r"^Executing\(%(\w+)\)")

# What begins a phase, in the order in which a line is tried.
_STARTS = (
    (re.compile(r"^\[\d+/\d+\] (?:pre)?installing |^init_buildsystem "), "build root"),
    (re.compile(r"^-{3,} building .* \(user "), "spec"),
    (re.compile(r"^\+ exec rpmbuild|^Building target platforms:"), "spec"),
    (re.compile(r"^Processing files: "), "packaging"),
    (re.compile(r"^RPMLINT report:"), "rpmlint"),
    (re.compile(r"^\.\.\. (?:testing|checking|running)"), "checks"),
)
_TELLING = re.compile(
    r"""(?:^|[\s:(])(?:fatal\ )?error(?:s)?[:!]|^\s*E:\ |\bERROR\b|^make.*\*\*\*|\bFAILED\b
    |^FAIL[:\ ]
    |^\ *\d+/\d+\ .*\ (?:FAIL|TIMEOUT|ERROR)\ |^Can't\ locate\b
    |undefined\ reference|cannot\ find\ |No\ such\ file\ or\ directory|not\ found$
    |command\ not\ found|No\ space\ left|\bKilled\b|[Ss]egmentation\ fault|Traceback|\bfatal:
    |Bad\ exit\ status|Could\ not\ resolve|Assertion|panic|\(worker\ was|is\ needed\ by
    |conflicts?\ (?:with|between)|public\ key\ not\ available|verify\ failed
    |got\ too\ big|seems\ to\ be\ stuck|\bFailed\b""",
    re.VERBOSE,
)
_QUIET = re.compile(
    r"""RPM\ build\ errors:|-Werror\b.*-o\ |checking\ for\ .*\.\.\.|^\+\ |\b0\ (?:errors|failed)\b
    |should\ not\ be\ used\ directly|assuming\ you\ know""",
    re.VERBOSE,
)


_ENDED = "Bad exit status from "  # says which phase failed, and nothing of why
BEFORE_END = 6


@dataclass(frozen=True)
class Line:
    """One line: its number in the log (from 1), its phase, its text without the time stamp."""

    number: int
    phase: str
    text: str


def parse_log(text: str) -> tuple[Line, ...]:
    """Every line with its phase: build root, spec, %prep, %build, ..., packaging, checks."""
    phase, lines = "start", []
    for number, raw in enumerate(text.splitlines(), 1):
        line = _ESCAPE.sub("", _STAMP.sub("", raw)).rstrip()
        phase = _phase(line, phase)
        lines.append(Line(number, phase, line))
    return tuple(lines)


def _phase(line: str, before: str) -> str:
    if rpm := _RPM_PHASE.match(line):
        return f"%{rpm[1]}"
    for pattern, name in _STARTS:
        if pattern.search(line):
            return name
    return before


def failed_phase(lines: tuple[Line, ...]) -> str:
    """The phase that a failed build ended in.

    rpmbuild names it itself; what is printed after that belongs to no phase.
    """
    for line in reversed(lines):
        if named := re.search(r"Bad exit status from \S+ \(%(\w+)\)", line.text):
            return f"%{named[1]}"
    return lines[-1].phase if lines else "start"


def telling(lines: tuple[Line, ...], limit: int = 8) -> tuple[Line, ...]:
    """The lines of the failed phase that look like a complaint, the first ones first.

    Where none does, the last lines that say anything at all; where only rpmbuild complains of the
    command, the lines before it.
    """
    phase = failed_phase(lines)
    within = tuple(line for line in lines if line.phase == phase)
    found = [line for line in within if _tells(line.text)]
    if found and all(_ENDED in line.text for line in found):
        said = [line for line in within if line.number < found[0].number and line.text.strip()]
        found = [*said[-BEFORE_END:], found[0]]
    if len(found) > limit:
        found = found[: limit - 2] + found[-2:]
    return tuple(found) or tuple(line for line in within if line.text.strip())[-limit:]


def _tells(text: str) -> bool:
    return bool(_TELLING.search(text)) and not _QUIET.search(text)
