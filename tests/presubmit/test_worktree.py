"""What is taken of a real git work tree, and that nothing in it is changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.jenkins.changes import MOST_CHARACTERS, packed, unpacked
from ci.presubmit.worktree import commit, patch, pushed, snapshot
from ci.shell import LocalShell

SHELL = LocalShell()
ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ("git", *who, *words), cwd=folder, env=os.environ | ALONE, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(60)


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    folder = tmp_path / "upstream.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    return folder


@pytest.fixture
def tree(tmp_path: Path, upstream: Path) -> Path:
    """One pushed commit, one that is not, and every kind of uncommitted change."""
    folder = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(upstream), str(folder))
    for name in ("kept", "edited", "deleted", "staged"):
        (folder / name).write_text(f"{name}\n")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "pushed")
    git(folder, "push", "--quiet", "-u", "origin", "HEAD:main")
    git(folder, "branch", "--quiet", "--set-upstream-to=origin/main")
    (folder / "kept").write_text("committed\n")
    git(folder, "commit", "--quiet", "--all", "-m", "not pushed")
    (folder / "edited").write_text("edited by hand\n")
    (folder / "staged").write_text("staged by hand\n")
    git(folder, "add", "staged")
    (folder / "deleted").unlink()
    (folder / "new ä file").write_bytes(bytes(range(256)))
    (folder / "latin").write_bytes(b"caf\xe9 \xff\n" * 3)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "ignored").write_text("secret\n")
    return folder


def state(folder: Path) -> tuple[str, str, str, int]:
    objects = sum(len(files) for _path, _folders, files in os.walk(folder / ".git/objects"))
    return (
        git(folder, "status", "--porcelain"),
        git(folder, "for-each-ref"),
        git(folder, "diff", "--cached"),
        objects,
    )


def test_commits_and_changes_of_every_kind_are_taken(tree: Path, deadline: Deadline) -> None:
    with snapshot(SHELL, tree, deadline) as taken:
        said = "\n".join(taken.describe())
    assert "origin/main" in said
    for text in ("not pushed", " M edited", " D deleted", "M  staged", "?? run"):
        assert text in said
    assert "ignored" not in said


def test_the_patch_makes_the_base_what_the_work_tree_is(
    tree: Path, upstream: Path, tmp_path: Path, deadline: Deadline
) -> None:
    with snapshot(SHELL, tree, deadline) as taken:
        text = unpacked(packed(patch(SHELL, taken, deadline)))
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(upstream), str(other), "--branch", "main")
    (tmp_path / "p.patch").write_bytes(text)
    git(other, "apply", str(tmp_path / "p.patch"))
    for name in ("kept", "edited", "staged", "new ä file", "latin", "run"):
        assert (other / name).read_bytes() == (tree / name).read_bytes()
    assert not (other / "deleted").exists()
    assert not (other / "ignored").exists()
    assert os.access(other / "run", os.X_OK)


def test_taking_changes_nothing_in_the_work_tree(tree: Path, deadline: Deadline) -> None:
    before = state(tree)
    with snapshot(SHELL, tree, deadline) as taken:
        patch(SHELL, taken, deadline)
        commit(SHELL, taken, deadline)
    assert state(tree) == before


def test_a_lent_branch_holds_the_work_and_is_gone_afterwards(
    tree: Path, upstream: Path, deadline: Deadline
) -> None:
    before = state(tree)
    with (
        snapshot(SHELL, tree, deadline) as taken,
        pushed(SHELL, taken, "origin", "virtci-try/one", deadline) as branch,
    ):
        assert git(upstream, "show", f"{branch}:edited") == "edited by hand"
    assert git(upstream, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert state(tree)[0] == before[0]


def test_two_people_at_once_have_branches_of_their_own(
    tree: Path, upstream: Path, deadline: Deadline
) -> None:
    with (
        snapshot(SHELL, tree, deadline) as taken,
        pushed(SHELL, taken, "origin", "virtci-try/a", deadline),
        pushed(SHELL, taken, "origin", "virtci-try/b", deadline),
    ):
        refs = git(upstream, "for-each-ref", "--format=%(refname:short)").split()
    assert refs == ["main", "virtci-try/a", "virtci-try/b"]


def test_a_lent_branch_is_taken_back_after_an_error_too(
    tree: Path, upstream: Path, deadline: Deadline
) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        snapshot(SHELL, tree, deadline) as taken,
        pushed(SHELL, taken, "origin", "virtci-try/one", deadline),
    ):
        raise KeyboardInterrupt
    assert git(upstream, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_clean_tree_has_nothing_to_take(
    upstream: Path, tree: Path, tmp_path: Path, deadline: Deadline
) -> None:
    clean = tmp_path / "clean"
    git(tmp_path, "clone", "--quiet", str(upstream), str(clean), "--branch", "main")
    with snapshot(SHELL, clean, deadline) as taken:
        assert taken.empty
        assert packed(patch(SHELL, taken, deadline)) == ""
        assert commit(SHELL, taken, deadline) == taken.head


def test_a_folder_outside_git_and_one_with_conflicts_are_refused(
    tmp_path: Path, tree: Path, deadline: Deadline
) -> None:
    with pytest.raises(UsageError, match="no git work tree"), snapshot(SHELL, tmp_path, deadline):
        pass
    git(tree, "stash", "--quiet")
    git(tree, "checkout", "--quiet", "-b", "other", "HEAD~1")
    (tree / "kept").write_text("otherwise\n")
    git(tree, "commit", "--quiet", "--all", "-m", "other")
    with pytest.raises(subprocess.CalledProcessError):
        git(tree, "merge", "main")
    with pytest.raises(UsageError, match="unresolved conflicts"), snapshot(SHELL, tree, deadline):
        pass


def test_changes_too_large_for_a_parameter_say_what_else_to_do() -> None:
    with pytest.raises(UsageError, match="too large for a parameter") as caught:
        packed(b"".join(hex(n * 2654435761 % 2**32).encode() for n in range(60_000)))
    assert "--push" in caught.value.hint
    assert MOST_CHARACTERS < 128 * 1024


@pytest.mark.parametrize("value", ["x", "AAAA", "eJwrSU0u", "\u00e4"])
def test_a_damaged_parameter_is_told(value: str) -> None:
    with pytest.raises(UsageError, match="CHANGES"):
        unpacked(value)


def test_a_parameter_that_unpacks_beyond_all_measure_is_refused() -> None:
    bomb = packed(b"0" * (40 * 2**20))
    with pytest.raises(UsageError, match="too large unpacked"):
        unpacked(bomb)


def test_a_tree_of_somebody_else_is_not_called_none(
    upstream: Path, deadline: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's own tests have the variable."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true")
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(UsageError, match="belongs to another user") as caught,
        snapshot(SHELL, upstream, deadline),
    ):
        pass
    assert "safe.directory" in caught.value.hint
