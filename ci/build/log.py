"""Build logs: the lines that tell why a build failed. Pure; takes logs of rpmbuild and of OBS."""

from __future__ import annotations

import re

from ci.model import Record

MOST_LINES = 30
_CONTEXT = 3
_PREFIX = re.compile(r"^\[\s*\d+s\] ?", re.MULTILINE)
_BUILDROOT = re.compile(r"\S*/BUILDROOT/[^/\s]+(?=/)")
_TRACE = "+ "  # what the shell is about to do; never what went wrong
_SECTION = re.compile(r"Bad exit status from \S+ \((%\w+)\)")

# First the kinds that explain the others; within a kind the first line is the cause.
_TELLING = tuple(
    re.compile(pattern)
    for pattern in (
        r"is needed by |nothing provides |^Failed build dependencies|have choice for ",
        r"^error: (?:line \d+|\S+:\d+|Unknown tag|Bad source|Failed to parse|Unable to open)",
        r"^error: .*(?:\.spec|%\w+ without|Unclosed|Unterminated|No such file|not found in)",
        r"^\S[^:\n]*:\d+(?::\d+)?: (?:fatal )?(?:error|Error):? |: fatal error: ",
        r"meson\.build:\d+:\d+: ERROR: |^CMake Error|configure: error: ",
        r"undefined reference to |ld: cannot find |cannot find -l|multiple definition of ",
        r"^Hunk #\d+ FAILED|^\d+ out of \d+ hunks? FAILED|can't find file to patch",
        r"^(?:FAIL|ERROR): |^not ok \d|\bFAIL(?:ED)?\s{2,}|^\s*\d+/\d+ .*\b(?:FAIL|TIMEOUT)\b",
        r"Installed \(but unpackaged\) file|^\s*(?:File|Directory) not found:",
        r"^Traceback \(most recent|^\w*(?:Error|Exception): |: command not found|: not found$",
        r"^FAILED: ",
        r"^(?:make|gmake|ninja)(?:\[\d+\])?: .*(?:\*\*\*|stopped)",
        r"^E: |^error: (?!Bad exit status)",
    )
)
_LAB = re.compile(
    r"No space left on device|Disk quota exceeded|Cannot allocate memory|virtual memory exhausted"
    r"|Killed signal terminated program|out of memory allocating|Read-only file system"
    r"|Input/output error"
)


class Diagnosis(Record, frozen=True, kw_only=True):
    """Why a build failed: its section ("%build", or ""), one line, and that line's surroundings.

    ``lab`` is what the machine lacked ("No space left on device"), "" when the code is to blame.
    """

    section: str
    cause: str
    lines: tuple[str, ...]
    lab: str = ""


def diagnose(log: str) -> Diagnosis:
    """Find the telling lines of a failed build. A log without any gives its last lines."""
    text = _BUILDROOT.sub("", _PREFIX.sub("", log).replace("\r", ""))
    everything = [line for line in text.splitlines() if line.strip()]
    lines = [line for line in everything if not line.startswith(_TRACE)]
    section = next((found[1] for line in lines if (found := _SECTION.search(line))), "")
    for index, line in enumerate(lines):
        if lab := _LAB.search(line):
            return _around(lines, (index,), section, lab[0])
    for pattern in _TELLING:
        if hits := tuple(i for i, line in enumerate(lines) if pattern.search(line)):
            return _around(lines, hits, section)
    return _last(everything, section)


def _around(lines: list[str], hits: tuple[int, ...], section: str, lab: str = "") -> Diagnosis:
    """The hits with what follows each (a compiler shows the source there), without repetition."""
    wanted = sorted({i for hit in hits for i in range(hit, hit + 1 + _CONTEXT) if i < len(lines)})
    kept = tuple(lines[i][:300].rstrip() for i in wanted)[:MOST_LINES]
    return Diagnosis(section=section, cause=lines[hits[0]].strip()[:300], lines=kept, lab=lab)


def _last(lines: list[str], section: str) -> Diagnosis:
    """A command that failed without a word known here: what was said just before rpmbuild's end."""
    end = next((i for i, line in enumerate(lines) if _SECTION.search(line)), len(lines))
    said = tuple(line[:300].rstrip() for line in lines[max(0, end - MOST_LINES) : end])
    command = next((line[len(_TRACE) :] for line in reversed(said) if line.startswith(_TRACE)), "")
    cause = f"this command failed: {command}" if command else "the log tells no reason"
    return Diagnosis(section=section, cause=cause, lines=said)
