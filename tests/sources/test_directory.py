from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.run import Step
from ci.sources.directory import DirectorySource
from ci.sources.git import GitSource
from tests.sources.conftest import Talk, commit, make_repository, snapshot, tool


def names(path: str) -> set[str]:
    root = Path(path)
    return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir() or p.is_symlink()}


def test_a_clean_work_tree_is_its_commit_with_the_digest_of_that_kind(
    step: Step, repository: Path
) -> None:
    committed = GitSource(url=str(repository)).fetch(step)
    tree = DirectorySource(path=str(repository)).fetch(step)
    assert (tree.revision, tree.digest) == (committed.revision, committed.digest)
    assert tree.version == committed.version
    assert not tree.dirty


def test_uncommitted_untracked_and_deleted_files_are_as_they_lie_here(
    step: Step, repository: Path
) -> None:
    commit(repository, "Ignore", _gitignore="*.o\n", gone_c="x")
    (repository / "a.c").write_text("changed\n")
    (repository / "new.c").write_text("new\n")
    (repository / "built.o").write_text("object")
    (repository / "gone.c").unlink()
    head = tool("git", "rev-parse", "HEAD", cwd=repository)
    tree = DirectorySource(path=str(repository)).fetch(step)
    assert names(tree.path) == {".gitignore", "a.c", "new.c", "src/b.c"}
    assert Path(tree.path, "a.c").read_text() == "changed\n"
    assert tree.dirty
    assert tree.revision == f"{head}-dirty-{tree.digest[:8]}"
    assert tree.version.endswith(".dirty")


def test_another_change_is_another_revision(step: Step, repository: Path) -> None:
    (repository / "a.c").write_text("first\n")
    first = DirectorySource(path=str(repository)).fetch(step)
    (repository / "a.c").write_text("other\n")
    assert DirectorySource(path=str(repository)).fetch(step).revision != first.revision


def test_a_staged_change_and_a_mode_count(step: Step, repository: Path) -> None:
    (repository / "a.c").chmod(0o755)
    tree = DirectorySource(path=str(repository)).fetch(step)
    assert tree.dirty
    assert Path(tree.path, "a.c").stat().st_mode & 0o100


def test_the_work_tree_and_its_index_are_not_touched(step: Step, repository: Path) -> None:
    (repository / "a.c").write_text("changed\n")
    os.utime(repository / "src/b.c", (1, 1))  # git status would like to refresh its index
    before = snapshot(repository)
    DirectorySource(path=str(repository)).fetch(step)
    assert snapshot(repository) == before


def test_names_of_any_bytes_are_kept(step: Step, repository: Path) -> None:
    odd = [b"with space", "ünï".encode(), b"new\nline", b"\xff\xfe", b'quo"te\\']
    for name in odd:
        Path(repository, os.fsdecode(name)).write_text("x")
    tree = DirectorySource(path=str(repository)).fetch(step)
    assert {os.fsencode(name) for name in names(tree.path)} >= set(odd)


def test_commits_since_a_revision_are_told(step: Step, repository: Path) -> None:
    start = tool("git", "rev-parse", "v1.0.0", cwd=repository)
    tree = DirectorySource(path=str(repository)).fetch(step, since=f"{start}-dirty-12345678")
    assert [c.subject for c in tree.commits] == ["Go on"]


def test_a_subfolder_of_a_work_tree_is_a_tree_of_its_own(step: Step, repository: Path) -> None:
    (repository / "a.c").write_text("changed beside it\n")
    tree = DirectorySource(path=str(repository / "src")).fetch(step)
    assert names(tree.path) == {"b.c"}
    assert not tree.dirty


def test_a_submodule_with_changes_comes_along(step: Step, repository: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "inner")
    allow = ("-c", "protocol.file.allow=always")
    tool("git", *allow, "submodule", "--quiet", "add", "../inner", "lib/inner", cwd=repository)
    commit(repository, "Add a submodule")
    (repository / "lib/inner/a.c").write_text("changed inside\n")
    tree = DirectorySource(path=str(repository)).fetch(step)
    assert Path(tree.path, "lib/inner/a.c").read_text() == "changed inside\n"
    assert not Path(tree.path, "lib/inner/.git").exists()
    assert tree.dirty


def test_a_repository_without_commits_is_known_by_its_content(step: Step, tmp_path: Path) -> None:
    tool("git", "init", "-q", str(tmp_path / "new"))
    (tmp_path / "new" / "a").write_text("x")
    tree = DirectorySource(path=str(tmp_path / "new")).fetch(step)
    assert tree.revision == f"dir-{tree.digest}"


def test_a_plain_folder_is_copied_with_links_as_they_are(step: Step, tmp_path: Path) -> None:
    root = tmp_path / "plain"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_text("x")
    (root / "outside").symlink_to("/etc")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    tree = DirectorySource(path=str(root)).fetch(step)
    assert names(tree.path) == {"a", "outside", "dangling"}
    assert Path(tree.path, "outside").readlink() == Path("/etc")
    assert tree.revision == f"dir-{tree.digest}"
    assert not tree.dirty


def test_the_runs_below_the_folder_stay_out(step: Step, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    tree = DirectorySource(path=str(tmp_path)).fetch(step)
    assert names(tree.path) == {"a"}
    assert DirectorySource(path=str(tmp_path)).fetch(step).digest == tree.digest


def test_a_build_folder_that_a_repository_ignores_can_be_a_source(
    step: Step, repository: Path
) -> None:
    commit(repository, "Ignore", _gitignore="build/\n")
    (repository / "build").mkdir()
    (repository / "build" / "made").write_text("x")
    tree = DirectorySource(path=str(repository / "build")).fetch(step)
    assert names(tree.path) == {"made"}
    assert tree.revision.startswith("dir-")


def test_a_file_that_changes_once_while_copied_is_copied_again(
    step: Step, tmp_path: Path, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "plain"
    root.mkdir()
    (root / "a").write_text("before")
    writes = iter(["in between"])
    _write_while_copying(monkeypatch, root / "a", lambda: next(writes, None))
    tree = DirectorySource(path=str(root)).fetch(step)
    assert Path(tree.path, "a").read_text() == "in between"
    assert "a changed while" in talk.text


def test_a_file_that_never_comes_to_rest_is_told(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "plain"
    root.mkdir()
    (root / "a").write_text("")
    growing = iter(range(100))
    _write_while_copying(monkeypatch, root / "a", lambda: "x" * next(growing))
    with pytest.raises(UsageError, match="a changed each time while being copied"):
        DirectorySource(path=str(root)).fetch(step)
    assert not (step.folder / "tree").exists()


def _write_while_copying(
    monkeypatch: pytest.MonkeyPatch, path: Path, text: Callable[[], str | None]
) -> None:
    real_copy = shutil.copy2

    def copy(source: Path, to: Path, *, follow_symlinks: bool) -> None:
        real_copy(source, to, follow_symlinks=follow_symlinks)
        if source == path and (new := text()) is not None:
            path.write_text(new)

    monkeypatch.setattr(shutil, "copy2", copy)


def test_a_folder_that_is_not_there_is_told(step: Step, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        DirectorySource(path="none").located(tmp_path).fetch(step)


def test_the_path_is_seen_from_the_plan(tmp_path: Path) -> None:
    located = DirectorySource(path="../x").located(tmp_path / "plans")
    assert located.path == str(tmp_path / "x")
    assert located.decided() == (f"copy {tmp_path}/x, uncommitted changes included",)


@pytest.mark.real
def test_a_mercurial_work_tree_with_changes(step: Step, tmp_path: Path) -> None:
    root = tmp_path / "hg"
    tool("hg", "init", str(root))
    (root / ".hgignore").write_text("syntax: glob\n*.o\n")
    for name in ("a.c", "gone.c"):
        (root / name).write_text("x")
    tool("hg", "commit", "-q", "-A", "-m", "Start", cwd=root)
    clean = DirectorySource(path=str(root)).fetch(step)
    assert clean.revision == tool("hg", "log", "-r", ".", "-T", "{node}", cwd=root)
    (root / "a.c").write_text("changed")
    (root / "new.c").write_text("new")
    (root / "x.o").write_text("object")
    (root / "gone.c").unlink()
    tree = DirectorySource(path=str(root)).fetch(step)
    assert names(tree.path) == {".hgignore", "a.c", "new.c"}
    assert tree.revision == f"{clean.revision}-dirty-{tree.digest[:8]}"


@pytest.mark.real
def test_a_subversion_work_tree_with_changes(step: Step, tmp_path: Path) -> None:
    tool("svnadmin", "create", str(tmp_path / "store"))
    root = tmp_path / "svn"
    tool("svn", "checkout", "-q", (tmp_path / "store").as_uri(), str(root))
    for name in ("a.c", "gone.c"):
        (root / name).write_text("x")
    tool("svn", "add", "-q", "a.c", "gone.c", cwd=root)
    tool("svn", "propset", "-q", "svn:ignore", "*.o", ".", cwd=root)
    tool("svn", "commit", "-q", "-m", "Start", cwd=root)
    tool("svn", "update", "-q", cwd=root)
    clean = DirectorySource(path=str(root)).fetch(step)
    assert (clean.revision, clean.dirty) == ("1", False)
    (root / "a.c").write_text("changed")
    (root / "new.c").write_text("new")
    (root / "x.o").write_text("object")
    tool("svn", "rm", "-q", "gone.c", cwd=root)
    tree = DirectorySource(path=str(root)).fetch(step)
    assert names(tree.path) == {"a.c", "new.c"}
    assert tree.revision == f"1-dirty-{tree.digest[:8]}"


@pytest.mark.real
@pytest.mark.parametrize("kind", ["hg", "svn"])
def test_the_files_of_other_work_trees_are_not_touched(
    step: Step, tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "work"
    if kind == "hg":
        tool("hg", "init", str(root))
    else:
        tool("svnadmin", "create", str(tmp_path / "store"))
        tool("svn", "checkout", "-q", (tmp_path / "store").as_uri(), str(root))
    (root / "a.c").write_text("x")
    tool(kind, "add", "-q", "a.c", cwd=root)
    tool(kind, "commit", "-q", "-m", "Start", cwd=root)
    os.utime(root / "a.c", (1, 1))
    before = snapshot(root)
    DirectorySource(path=str(root)).fetch(step)
    after = snapshot(root)
    # hg keeps notes of its own in .hg, as on each hg status.
    assert {n: v for n, v in after.items() if not n.startswith(".hg")} == {
        n: v for n, v in before.items() if not n.startswith(".hg")
    }
