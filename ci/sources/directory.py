"""Source kind "directory": files as they lie here, uncommitted changes included."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Self

from msgspec.structs import replace

from ci.errors import UsageError
from ci.model import Record, Tree
from ci.run import Step
from ci.sources.address import absolute, check_name
from ci.sources.content import content_digest
from ci.sources.export import SHORT, empty, place, writing
from ci.sources.worktree import WorkTree, work_tree

TRIES = 3
Stamp = tuple[int, int, int, int]


class DirectorySource(Record, frozen=True, kw_only=True, tag_field="kind", tag="directory"):
    """``path`` is a folder: a git, hg or svn work tree, or a plain one. Ignored files stay out."""

    path: str

    def __post_init__(self) -> None:
        check_name("path", self.path)

    def located(self, base: Path) -> Self:
        return replace(self, path=os.path.normpath(absolute(self.path, base)))

    def decided(self) -> tuple[str, ...]:
        return (f"copy {self.path}, uncommitted changes included",)

    def fetch(self, step: Step, *, since: str = "") -> Tree:
        """The folder itself is read, never written.

        Raises UsageError when it is not there, or keeps changing while it is copied.
        """
        root = Path(self.path)
        if not root.is_dir():
            raise UsageError(f"{self.path}: there is no such folder", hint="see source.path")
        with writing(step.folder):
            return self._fetch(step, root, since)

    def _fetch(self, step: Step, root: Path, since: str) -> Tree:
        new, found = _copy_unchanged(step, root, since)
        digest = content_digest(new)
        tree = Tree(
            path=str(step.folder / "tree"),
            revision=_revision(found, digest),
            digest=digest,
            version=found.version,
            dirty=found.dirty,
            commits=found.commits,
        )
        place(step, new, digest, tree)
        return tree


def _revision(found: WorkTree, digest: str) -> str:
    if not found.revision:
        return f"dir-{digest}"
    return f"{found.revision}-dirty-{digest[:SHORT]}" if found.dirty else found.revision


def _copy_unchanged(step: Step, root: Path, since: str) -> tuple[Path, WorkTree]:
    """A copy during which nothing in the folder changed; a few tries are made."""
    changed = ""
    for _ in range(TRIES):
        found = work_tree(step, root, since)
        stamps = _stamps(root, found.files)
        new = empty(step.folder / "tree.new")
        for name, stamp in stamps.items():
            step.deadline.check(f"copying {root}")
            _copy(step, root / name, new / name, stamp)
        after = work_tree(step, root, "")
        changed = _difference(stamps, _stamps(root, after.files))
        if not changed and (after.revision, after.dirty) == (found.revision, found.dirty):
            return new, found
        step.say(f"{changed or 'the revision'} changed while {root} was copied, copying again")
    raise UsageError(
        f"{root}: {changed or 'the revision'} changed each time while being copied",
        hint="let the editor or build that writes there come to its end",
    )


def _stamps(root: Path, files: tuple[str, ...]) -> dict[str, Stamp]:
    """What tells that a file changed; a file that is gone is no part of the tree."""
    stamps = {}
    for name in sorted(files):
        try:
            seen = (root / name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        stamps[name] = (seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ino)
    return stamps


def _difference(before: dict[str, Stamp], after: dict[str, Stamp]) -> str:
    names = sorted(before.keys() | after.keys())
    return next((name for name in names if before.get(name) != after.get(name)), "")


def _copy(step: Step, source: Path, to: Path, stamp: Stamp) -> None:
    """One file or link; a link is kept as it is, wherever it points, and never followed."""
    mode = stamp[0]
    to.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode) or stat.S_ISREG(mode):
        try:
            shutil.copy2(source, to, follow_symlinks=False)
        except FileNotFoundError:
            return  # noticed by the comparison afterwards
        except PermissionError as error:
            raise UsageError(f"{source}: cannot be read: {error.strerror}") from None
    else:
        step.say(f"{source} is neither file nor link and stays out")
