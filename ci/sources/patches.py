"""Patches of a plan, applied in order on top of a checked-out tree."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ci.errors import UsageError
from ci.run import Step
from ci.sources.gitshell import git

_FAILED = re.compile(r"^error: patch failed: (.+):(\d+)$", re.MULTILINE)
_ERROR = re.compile(r"^(?:error|fatal): (.+)$", re.MULTILINE)
_HUNK = re.compile(r"^@@ -(\d+)")


def apply_patches(step: Step, tree: Path, patches: tuple[str, ...], onto: str) -> None:
    """Apply each patch to the files below ``tree``, with one leading folder stripped.

    A patch goes in whole or not at all. Raises UsageError, naming patch, file and hunk: the plan
    puts a patch on a source that it was not made for. ``onto`` names the source.
    """
    # Without the ceiling, git would find the repository that the run's folder may lie in, and
    # quietly leave out every file of the patch that is not below that repository's subfolder.
    ceiling = {"GIT_CEILING_DIRECTORIES": os.path.realpath(tree.parent)}
    for patch in patches:
        text = _read(patch)
        if not re.search(r"^(diff --git |--- )", text, re.MULTILINE):
            raise UsageError(f"{patch}: is no patch: it changes no file")
        step.say(f"applying {Path(patch).name}")
        done = git(step, "apply", "--whitespace=nowarn", "--", patch, cwd=tree, env=ceiling)
        if not done.ok:
            raise UsageError(
                f"{patch} does not apply to {onto}: {_reason(done.stderr, text)}",
                hint="rebase the patch on that revision, or take it out of source.patches",
                detail=done.tail(),
            )


def _read(patch: str) -> str:
    try:
        return Path(patch).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"{patch}: the patch cannot be read: {error.strerror}", hint="see source.patches"
        ) from None


def _reason(stderr: str, text: str) -> str:
    if found := _FAILED.search(stderr):
        return f"{found[1]}, hunk {_hunk(text, found[1], found[2])} (at line {found[2]})"
    if found := _ERROR.search(stderr):
        return found[1]
    return "git apply gives no reason"


def _hunk(text: str, file: str, line: str) -> str:
    """The number of the hunk of ``file`` that starts at ``line`` of the old file."""
    number = 0
    inside = False
    for row in text.splitlines():
        if row.startswith(("--- ", "diff --git ")):
            inside, number = row.split("\t")[0].endswith(f"/{file}"), 0
        elif inside and (found := _HUNK.match(row)):
            number += 1
            if found[1] == line:
                return f"#{number}"
    return "unknown"
