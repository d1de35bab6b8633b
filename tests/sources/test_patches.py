"""Patches on top of a tree: in order, inside it alone, and told when they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.run import Step
from ci.sources.git import GitSource
from tests.sources.conftest import Patch, make_repository, snapshot, text, tool


def test_patches_go_on_top_in_order(step: Step, repository: Path, patch: Patch) -> None:
    second = Path(patch("2.patch", old="patched"))
    second.write_text(second.read_text().replace("+patched", "+twice"))
    plain = GitSource(url=str(repository)).fetch(step)
    tree = GitSource(url=str(repository), patches=(patch("1.patch"), str(second))).fetch(step)
    assert text(tree.path, "a.c") == "one\ntwice\nTHREE\n"
    assert tree.revision == f"{plain.revision}-patched-{tree.digest[:8]}"
    assert tree.digest != plain.digest


def test_a_patch_that_does_not_apply_is_named_with_file_and_hunk(
    step: Step, repository: Path, patch: Patch
) -> None:
    wrong = patch("wrong.patch", old="four")
    with pytest.raises(UsageError, match=r"wrong\.patch does not apply .*: a\.c, hunk #1") as error:
        GitSource(url=str(repository), patches=(wrong,)).fetch(step)
    assert error.value.hint
    assert not (step.folder / "tree").exists()


def test_a_patch_applies_inside_another_repository_too(
    step: Step, repository: Path, patch: Patch, tmp_path: Path
) -> None:
    tool("git", "init", "-q", cwd=tmp_path)
    tree = GitSource(url=str(repository), patches=(patch("1.patch"),)).fetch(step)
    assert "patched" in text(tree.path, "a.c")


def test_a_patch_cannot_write_outside_the_tree(
    step: Step, repository: Path, tmp_path: Path
) -> None:
    evil = tmp_path / "evil.patch"
    evil.write_text("--- /dev/null\n+++ b/../../escaped\n@@ -0,0 +1 @@\n+x\n")
    with pytest.raises(UsageError, match="does not apply"):
        GitSource(url=str(repository), patches=(str(evil),)).fetch(step)
    assert not list(tmp_path.rglob("escaped"))


def test_a_missing_patch_and_one_without_changes_are_told(
    step: Step, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.patch").write_text("only words\n")
    for name, what in (("none.patch", "cannot be read"), ("empty.patch", "is no patch")):
        with pytest.raises(UsageError, match=what):
            GitSource(url=str(repository), patches=(str(tmp_path / name),)).fetch(step)


def test_the_variables_of_a_git_hook_do_not_lead_astray(
    step: Step, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patch: Patch
) -> None:
    other = make_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    before = snapshot(other)
    tree = GitSource(url=str(repository), patches=(patch("1.patch"),)).fetch(step)
    assert "patched" in text(tree.path, "a.c")
    assert snapshot(other) == before
