"""What git tells of history: the version that tags give, and the commits since a revision."""

from __future__ import annotations

from pathlib import Path

from ci.model import Commit
from ci.run import Step
from ci.sources.export import plain_revision
from ci.sources.gitshell import git
from ci.sources.version import rpm_version

MOST = 200  # commits that a report still names


def described(step: Step, repository: Path, commit: str, *, dirty: bool = False) -> str:
    """A version for RPM made of the nearest tag that has a number in it, or nothing."""
    args = ("describe", "--tags", "--long", "--abbrev=9", "--match=*[0-9]*", commit)
    done = git(step, f"--git-dir={repository}", *args)
    return rpm_version(done.stdout.strip(), dirty=dirty) if done.ok else ""


def commits_since(step: Step, repository: Path, since: str, commit: str) -> tuple[Commit, ...]:
    """The commits after ``since`` up to ``commit``, newest first, at most ``MOST``.

    None, and a word to people, when the repository no longer knows ``since``.
    """
    since = plain_revision(since)
    if not since or since.startswith("-"):
        return ()
    form = "--format=%H%x00%an%x00%aI%x00%s"
    args = ("log", f"--max-count={MOST}", form, "--end-of-options", f"{since}..{commit}", "--")
    done = git(step, f"--git-dir={repository}", *args)
    if not done.ok:
        step.say(f"the revision {since} is not known here, so what changed since is not told")
    return parse_log(done.stdout) if done.ok else ()


def parse_log(text: str) -> tuple[Commit, ...]:
    """One commit a line: id, author, date and subject with NUL between."""
    rows = (line.split("\0") for line in text.split("\n") if line)
    return tuple(Commit(id=i, author=who, date=when, subject=what) for i, who, when, what in rows)
