"""Branches lent to a remote, written down until they are taken back: a kill leaves none for good.

Whoever lends one holds a lock on its note, which the kernel drops when that process dies.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ci.codec import fingerprint, from_json, to_json
from ci.deadline import Deadline
from ci.model import Record
from ci.places import cache_folder
from ci.presubmit.worktree import Git
from ci.shell import Shell


class Lent(Record, frozen=True, kw_only=True):
    """A branch of ours at ``remote``, as the work tree ``root`` calls it."""

    root: str
    remote: str
    branch: str


@contextmanager
def noted(root: Path, remote: str, branch: str) -> Iterator[None]:
    """Keep a note of it, held while in the context and gone after it."""
    path = _folder() / f"{fingerprint(str(root), remote, branch)}.json"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(to_json(Lent(root=str(root), remote=remote, branch=branch)))
        file.flush()
        yield
        path.unlink(missing_ok=True)


def take_back(shell: Shell, deadline: Deadline) -> Iterator[str]:
    """Delete what killed processes of this user had lent; yields what was done, in words.

    A branch that cannot be deleted now (no network) is tried again by the next call.
    """
    for path in sorted(_folder().glob("*.json")):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lent = from_json(file.read(), Lent)
            except (BlockingIOError, msgspec.MsgspecError):
                continue  # lent right now, or not written yet
            git, ref = Git(shell, Path(lent.root), deadline), f"refs/heads/{lent.branch}"
            if not Path(lent.root).is_dir() or git.ask("ls-remote", lent.remote, ref) == "":
                path.unlink(missing_ok=True)  # it is gone, or nobody knows any more where it was
            elif git.ask("push", "--quiet", "--no-verify", lent.remote, f":{ref}") is None:
                yield f"{lent.branch} of {lent.remote} cannot be taken back now; trying next time"
            else:
                path.unlink(missing_ok=True)
                yield f"took back {lent.branch} of {lent.remote}, left over from a killed run"


def _folder() -> Path:
    return cache_folder("presubmit", "lent")
