"""hg as virtci runs it, and what it tells of history."""

from __future__ import annotations

import re
from pathlib import Path

from ci.model import Commit
from ci.run import Step
from ci.shell import Completed
from ci.sources.export import plain_revision
from ci.sources.version import rpm_version

MOST = 200
_NODE = re.compile(r"^[0-9a-f]{6,40}$")


def hg(step: Step, command: str, *args: str, cwd: Path | None = None) -> Completed:
    """Run hg to its end, whatever the exit status; it never asks and speaks one language."""
    here = ("-R", str(cwd)) if cwd else ()
    return step.shell.run(
        ("hg", *here, "--noninteractive", command, *args),
        step.deadline,
        cwd=str(cwd) if cwd else None,
        env={"HGPLAIN": "1", "LC_ALL": "C.UTF-8", "HGENCODING": "UTF-8"},
    )


def described(step: Step, repository: Path, node: str, *, dirty: bool = False) -> str:
    """A version for RPM made of the nearest tag, or nothing."""
    form = "--template={latesttag}-{latesttagdistance}-{node|short}"
    done = hg(step, "log", form, f"--rev={node}", cwd=repository)
    told = done.stdout.strip()
    return rpm_version(told, dirty=dirty) if done.ok and not told.startswith("null-") else ""


def commits_since(step: Step, repository: Path, since: str, node: str) -> tuple[Commit, ...]:
    """The changesets after ``since`` up to ``node``, newest first, at most ``MOST``."""
    since = plain_revision(since)
    if not _NODE.match(since):
        return ()
    form = r"--template={node}\0{author|person}\0{date|rfc3339date}\0{desc|firstline}\n"
    rev = f"--rev=reverse(only({node}, {since}))"
    done = hg(step, "log", form, f"--limit={MOST}", rev, cwd=repository)
    if not done.ok:
        step.say(f"the revision {since} is not known here, so what changed since is not told")
        return ()
    rows = (line.split("\0") for line in done.stdout.split("\n") if line)
    return tuple(Commit(id=i, author=who, date=when, subject=what) for i, who, when, what in rows)
