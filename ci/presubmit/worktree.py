"""What of a git work tree is not pushed yet: commits and uncommitted changes, as one tree.

The work tree, its index and its objects are read, never written: the snapshot's objects go to a
folder of their own that is gone afterwards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.shell import Shell

# Commands of ours must not depend on what the user has configured, nor wait for an editor.
QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
NOBODY = {
    "GIT_AUTHOR_NAME": "virtci", "GIT_AUTHOR_EMAIL": "virtci@localhost",
    "GIT_COMMITTER_NAME": "virtci", "GIT_COMMITTER_EMAIL": "virtci@localhost",
}  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """Unpushed work. ``base`` is the last commit that others have; ``upstream`` names where."""

    root: Path
    base: str
    upstream: str
    head: str
    tree: str
    commits: tuple[str, ...]
    files: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def empty(self) -> bool:
        return not self.commits and not self.files

    def describe(self) -> Iterator[str]:
        """What is taken, for people."""
        yield f"{self.root}: on top of {self.upstream} ({self.base[:12]})"
        yield from (f"  commit {text}" for text in self.commits)
        yield from (f"  {text}" for text in self.files)
        if self.empty:
            yield "  nothing that is not pushed"


@dataclass(frozen=True)
class Git:
    """Git in one folder. Its user's name and mail are needed for nothing."""

    shell: Shell
    root: Path
    deadline: Deadline

    def ask(self, *words: str, env: Mapping[str, str] | None = None) -> str | None:
        """What it prints, or None when it fails."""
        done = self.shell.run(
            ("git", *words), self.deadline, cwd=str(self.root), env={**QUIET, **(env or {})}
        )
        return done.stdout.rstrip("\n") if done.ok else None

    def top(self) -> str:
        """The work tree's folder. Raises UsageError where there is none, or git does not read."""
        done = self.shell.run(
            ("git", "rev-parse", "--show-toplevel"), self.deadline, cwd=str(self.root), env=QUIET
        )
        if "dubious ownership" in done.stderr:
            raise UsageError(
                f"{self.root} belongs to another user, and git does not read it",
                hint=f"git config --global --add safe.directory {self.root}",
            )
        if not done.ok:
            raise UsageError(
                f"{self.root} is in no git work tree", hint="go into one, or say --tree"
            )
        return done.stdout.rstrip("\n")

    def must(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        done = self.shell.run(
            ("git", *words), self.deadline, cwd=str(self.root), env={**QUIET, **(env or {})}
        )
        if not done.ok:
            raise InfraError(f"git {words[0]} failed in {self.root}", detail=done.tail())
        return done.stdout.rstrip("\n")


@contextmanager
def snapshot(shell: Shell, folder: Path, deadline: Deadline) -> Iterator[Snapshot]:
    """Take what is there now. Raises UsageError where there is nothing to take from.

    The snapshot's objects exist until the context is left, and only in its ``environment``.
    """
    top = Git(shell, folder, deadline).top()
    git = Git(shell, Path(top), deadline)
    head = git.ask("rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        raise UsageError(f"{top} has no commit yet")
    if git.must("ls-files", "--unmerged"):
        raise UsageError(f"{top} has unresolved conflicts", hint="resolve them, then git add")
    upstream, base = _base(git, head)
    with TemporaryDirectory(prefix="virtci-presubmit-") as scratch:
        environment = _scratch(git, Path(scratch))
        git.must("add", "--all", env=environment)
        yield Snapshot(
            root=git.root,
            base=base,
            upstream=upstream,
            head=head,
            tree=git.must("write-tree", env=environment),
            commits=tuple(_lines(git.must("log", "--format=%h %s", f"{base}..{head}"))),
            files=tuple(_lines(git.must("status", "--porcelain=v1", "--untracked-files=all"))),
            environment=environment,
        )


def patch(shell: Shell, taken: Snapshot, deadline: Deadline) -> bytes:
    """Everything since ``base`` as one patch that git applies, whatever the files' encoding."""
    git = Git(shell, taken.root, deadline)
    with TemporaryDirectory(prefix="virtci-presubmit-") as scratch:
        out = Path(scratch, "patch")
        plain = ("--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color")
        git.must(
            *("diff", *plain, f"--output={out}", taken.base, taken.tree), env=taken.environment
        )
        return out.read_bytes() if out.is_file() else b""


def commit(shell: Shell, taken: Snapshot, deadline: Deadline) -> str:
    """A commit of the snapshot on top of HEAD, in the scratch objects; HEAD if nothing differs."""
    git = Git(shell, taken.root, deadline)
    if git.must("rev-parse", f"{taken.head}^{{tree}}") == taken.tree:
        return taken.head
    return git.must(
        *("commit-tree", taken.tree, "-p", taken.head, "-m", "work in progress"),
        env={**taken.environment, **NOBODY},
    )


@contextmanager
def pushed(
    shell: Shell, taken: Snapshot, remote: str, name: str, deadline: Deadline
) -> Iterator[str]:
    """The snapshot as the branch ``name`` of ``remote`` while in the context; removed after it."""
    git = Git(shell, taken.root, deadline)
    made = commit(shell, taken, deadline)
    ref = f"refs/heads/{name}"
    git.must("push", "--quiet", "--no-verify", remote, f"{made}:{ref}", env=taken.environment)
    try:
        yield name
    finally:
        # a deadline that has passed, or a stop, must not leave the branch behind
        tidy = Git(shell, taken.root, Deadline.after(60))
        tidy.must("push", "--quiet", "--no-verify", remote, f":{ref}")


def _base(git: Git, head: str) -> tuple[str, str]:
    """The upstream's name and the commit that HEAD and it share; HEAD itself without one."""
    for name in ("@{upstream}", "refs/remotes/origin/HEAD"):
        full = git.ask("rev-parse", "--abbrev-ref", name)
        if full and (base := git.ask("merge-base", head, name)):
            return full, base
    return "HEAD (there is no upstream)", head


def _scratch(git: Git, folder: Path) -> dict[str, str]:
    index = git.root / git.must("rev-parse", "--git-path", "index")
    objects = git.root / git.must("rev-parse", "--git-path", "objects")
    (folder / "objects").mkdir()
    if index.is_file():
        shutil.copy2(index, folder / "index")
    others = os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
    return {
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(
            filter(None, (str(objects.resolve()), others))
        ),
    }


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]
