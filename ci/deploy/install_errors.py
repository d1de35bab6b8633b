"""Why an installation failed, and whose fault that is. Pure; the patterns are from real outputs."""

from __future__ import annotations

import re
from typing import NamedTuple

from ci.errors import InfraError, ProductError, UsageError, VirtciError
from ci.shell import Completed

LINES_BELOW = 5


class _Cause(NamedTuple):
    pattern: str
    error: type[VirtciError]
    sentence: str
    hint: str = ""


_SCRIPT = r"scriptlet failed|script failed:|scriptlet.*exit status|Error in \S+ scriptlet"

_CAUSES = (
    _Cause(
        r"[Mm]ust be (?:run as )?root|superuser privileges|[Oo]nly root"
        r"|lock .*\(Permission denied\)",
        UsageError,
        "the login may not install packages",
        "let the host's user be root",
    ),
    _Cause(
        r"Read-only file system", InfraError, "the host's file system is read-only", "see dmesg"
    ),
    _Cause(
        r"No space left on device|needs (?:at least )?\S+ (?:more )?(?:space|inodes)"
        r"|Not enough space|[Dd]isk (?:is )?full|more space (?:needed )?on|cpio: write failed",
        InfraError,
        "the disk of the host is full",
        "free some space there: df -h",
    ),
    _Cause(
        r"can't create transaction lock|System management is locked|database is locked"
        r"|Waiting for process with pid|transaction lock on|is already running with pid",
        InfraError,
        "another package manager holds the lock",
        "wait for it to end, or end it",
    ),
    _Cause(
        r"Curl error|\[Errno 14\]|Could not resolve host|Connection timed out"
        r"|Timeout (?:exceeded|was reached)|Failed to download metadata|Cannot download"
        r"|Download \(curl\) error|Cannot retrieve"
        r"|Valid metadata not found|Repository .* is invalid|Error downloading packages",
        InfraError,
        "a repository of the host cannot be reached",
        "see the host's repositories and its network",
    ),
    _Cause(
        r"cannot open Packages database|rpmdb: .*(?:PANIC|damaged)"
        r"|database disk image is malformed",
        InfraError,
        "the package database of the host is damaged",
        "rpm --rebuilddb, or install the host anew",
    ),
    _Cause(
        r"^\s*file \S+ (?:from install of|conflicts)|conflicts with file from"
        r"|File \S+\s+from install of"
        r"|Detected \d+ file conflict",
        ProductError,
        "a file of the new packages belongs to another package",
    ),
    _Cause(
        r"Failed dependencies:|nothing provides|\bis needed by\b|cannot install both"
        r"|conflicts with \S+ provided by|conflicting requests|Problem: |uninstallable providers"
        r"|but none of the providers can be installed",
        ProductError,
        "the new packages do not fit together with what is installed",
    ),
    _Cause(
        _SCRIPT,
        ProductError,
        "a script of the new packages fails",
    ),
    _Cause(
        r"intended for a different (?:architecture|operating system)|wrong arch",
        ProductError,
        "the packages are for another architecture",
    ),
    _Cause(
        r"not an rpm package|(?:digest|signature).*(?:BAD|NOT OK|mismatch)|Digest mismatch"
        r"|bad magic",
        ProductError,
        "a package is damaged as it was built (its upload was verified)",
    ),
)


def explain_failed_install(done: Completed, where: str) -> VirtciError | None:
    """The error that an installation ended with; None when it went well.

    rpm ends with 0 when only a script after the installation failed, so the text counts, too.
    """
    text = f"{done.stdout}\n{done.stderr}"
    if done.ok:
        return _failed_script(text, where)
    for cause in _CAUSES:
        if line := _line(text, cause.pattern):
            return cause.error(
                f"installing on {where} failed: {cause.sentence}: {line}",
                hint=cause.hint,
                detail=done.tail(),
            )
    return ProductError(
        f"installing on {where} failed: {done.argv[0]} ended with status {done.status}",
        detail=done.tail(),
    )


def _failed_script(text: str, where: str) -> VirtciError | None:
    line = _line(text, _SCRIPT)
    if not line:
        return None
    sentence = f"installing on {where}: a script of the new packages fails: {line}"
    return ProductError(sentence, detail=text.strip()[-4000:])


def _line(text: str, pattern: str) -> str:
    """The first line that matches; after a heading (a colon at its end, dnf's "Problem: ...") what
    is below it, too."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if re.search(pattern, line):
            heads = line.endswith(":") or line.startswith("Problem: ")
            below = lines[number + 1 : number + 1 + LINES_BELOW] if heads else []
            return " ".join((line, *below))[:300]
    return ""
