"""The builds to search: folders of packages, a list, or the commits of a repository."""

from __future__ import annotations

import re
from pathlib import Path

from ci.codec import read_text
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.shell import Shell

GIT_SECONDS = 60.0


def in_folder(folder: Path) -> tuple[str, ...]:
    """Every subfolder that holds packages, in the order in which people count: 9 before 10.

    Raises UsageError when there are fewer than two.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of builds")
    found = sorted(
        (path for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.rpm"))),
        key=lambda path: _natural(path.name),
    )
    return _enough(tuple(str(path) for path in found), f"{folder} (subfolders with *.rpm)")


def in_list(file: Path) -> tuple[str, ...]:
    """One build a line, oldest first; empty lines and those that begin with # are left out."""
    lines = (line.strip() for line in read_text(file).splitlines())
    return _enough(tuple(line for line in lines if line and line[0] != "#"), str(file))


def in_git(repository: Path, commits: str, shell: Shell, deadline: Deadline) -> tuple[str, ...]:
    """The commits of a range like ``v9.0.0..master``, first parents only, oldest first.

    The range's own beginning is the first of them, since it is taken for good.
    """
    first = commits.partition("..")[0]
    if not first or first.startswith("-") or ".." not in commits:
        raise UsageError(f'"{commits}" is no range of commits', hint="such as v9.0.0..master")
    argv = ("git", "-C", str(repository), "rev-list", "--first-parent", "--reverse", commits)
    listed = shell.run(argv, deadline.within(GIT_SECONDS))
    begin = shell.run(
        ("git", "-C", str(repository), "rev-parse", "--verify", f"{first}^{{commit}}"),
        deadline.within(GIT_SECONDS),
    )
    if not listed.ok or not begin.ok:
        raise UsageError(
            f"git knows no range {commits} in {repository}", detail=(listed.tail() or begin.tail())
        )
    return _enough((begin.stdout.strip(), *listed.stdout.split()), f"{commits} in {repository}")


def _enough(builds: tuple[str, ...], where: str) -> tuple[str, ...]:
    if len(builds) < 2:
        raise UsageError(f"a bisection needs two builds or more; {where} has {len(builds)}")
    return builds


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Numbers in names compare as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
