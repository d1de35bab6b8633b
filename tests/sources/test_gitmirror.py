"""The kept copy of a repository: brought up to date, mended, shared."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.places import cache_folder
from ci.run import Step
from ci.shell import LocalShell
from ci.sources.git import GitSource
from tests.sources.conftest import Talk, commit, text, tool


def mirror() -> Path:
    return next(path for path in cache_folder("git").iterdir() if path.is_dir())


def test_a_new_commit_is_seen_through_the_kept_copy(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    inode = mirror().stat().st_ino
    newest = commit(repository, "More", a_c="new\n")
    second = source.fetch(step)
    assert second.revision == newest
    assert text(second.path, "a.c") == "new\n"
    assert first.digest != second.digest
    assert mirror().stat().st_ino == inode


@pytest.mark.parametrize("damage", ["a blob is gone", "torn objects", "no head", "zeroes"])
def test_a_damaged_copy_is_made_anew(step: Step, repository: Path, talk: Talk, damage: str) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    blob = tool("git", "rev-parse", "HEAD:src/b.c", cwd=repository)
    for path in mirror().rglob("objects/*/*"):
        if damage == "a blob is gone" and path.name == blob[2:]:
            path.unlink()
        elif damage == "torn objects":
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:20])
    if damage == "no head":
        (mirror() / "HEAD").unlink()
    if damage == "zeroes":
        for name in ("HEAD", "config"):
            (mirror() / name).write_bytes(b"\0\0\0")
    (step.folder / "tree.json").unlink()
    assert source.fetch(step) == first
    assert "is damaged, making it anew" in talk.text


def test_a_copy_that_lost_every_object_is_filled_again(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    first = source.fetch(step)
    for path in mirror().rglob("objects/*/*"):
        path.unlink()
    (step.folder / "tree.json").unlink()
    assert source.fetch(step) == first


def test_a_copy_that_was_never_finished_is_not_used(step: Step, repository: Path) -> None:
    source = GitSource(url=str(repository))
    source.fetch(step)
    folder = mirror()
    folder.rename(folder.with_name(f".partial-{folder.name}-new"))
    assert source.fetch(step).revision
    assert [p.name for p in cache_folder("git").iterdir() if p.is_dir()] == [folder.name]


def _fetch(number: int, url: str, base: Path) -> None:
    folder = base / str(number)
    folder.mkdir(parents=True)
    step = Step("source", LocalShell(), Deadline.after(60), folder, folder, Talk())
    assert Path(GitSource(url=url).fetch(step).path, "a.c").exists()


def test_four_at_once_share_one_copy(repository: Path, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    workers = [
        spawn.Process(target=_fetch, args=(n, str(repository), tmp_path / "many")) for n in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert len([p for p in cache_folder("git").iterdir() if p.is_dir()]) == 1
