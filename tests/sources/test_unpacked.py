"""What was unpacked before is the same as what is unpacked now, or it is not used."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.places import cache_folder
from ci.run import Step
from ci.sources import unpacked
from ci.sources.content import content_digest, file_sha256
from ci.sources.unpacked import unpack_once
from tests.sources.conftest import Talk
from tests.sources.test_tarball import pack, special


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    program = tarfile.TarInfo()
    program.mode = 0o755
    return pack(
        tmp_path / "thing-1.2.tar.gz",
        ("thing-1.2/a.c", "one\n"),
        ("thing-1.2/run", program),
        ("thing-1.2/sub/b.c", "two\n"),
        ("thing-1.2/link", special(tarfile.SYMTYPE, "sub/b.c")),
    )


def unpack_into(step: Step, archive: Path, name: str) -> Path:
    folder = step.folder / name
    folder.mkdir()
    unpack_once(step, archive, file_sha256(archive), folder)
    return folder


def forbidden(*_: object) -> None:
    raise AssertionError("the archive itself was unpacked once more")


def test_the_second_time_the_archive_is_not_read_and_the_files_are_the_same(
    step: Step, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = unpack_into(step, archive, "first")
    monkeypatch.setattr(unpacked, "unpack", forbidden)
    second = unpack_into(step, archive, "second")
    assert content_digest(second) == content_digest(first)
    assert (second / "link").readlink() == Path("sub/b.c")
    assert (second / "run").stat().st_mode & 0o777 == 0o755


def test_a_changed_tree_of_a_run_changes_nothing_for_the_next(step: Step, archive: Path) -> None:
    (unpack_into(step, archive, "first") / "a.c").write_text("changed\n")
    assert (unpack_into(step, archive, "second") / "a.c").read_text() == "one\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: (kept / "tree.tar.zst").write_bytes(b"x"),
        lambda kept: (kept / "tree.tar.zst").unlink(),
        lambda kept: (kept / "sha256").unlink(),
        lambda kept: (kept / "sha256").write_text(""),
    ],
    ids=["other bytes", "no files", "no digest", "an empty digest"],
)
def test_a_damaged_copy_is_made_anew(
    step: Step, archive: Path, talk: Talk, damage: Callable[[Path], None]
) -> None:
    first = unpack_into(step, archive, "first")
    damage(cache_folder("unpacked") / file_sha256(archive))
    assert content_digest(unpack_into(step, archive, "second")) == content_digest(first)
    assert "damaged" in talk.text
    talk.said_.clear()
    unpack_into(step, archive, "third")
    assert talk.text == ""


def test_half_of_what_tar_did_is_not_kept(
    step: Step, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack_into(step, archive, "first")
    kept = cache_folder("unpacked") / file_sha256(archive)
    (kept / "tree.tar.zst").write_bytes(b"no tar")
    (kept / "sha256").write_text(file_sha256(kept / "tree.tar.zst"))
    second = unpack_into(step, archive, "second")
    assert sorted(path.name for path in second.iterdir()) == ["a.c", "link", "run", "sub"]


def test_only_so_many_are_kept(step: Step, tmp_path: Path) -> None:
    for number in range(unpacked.MOST_KEPT + 2):
        thing = pack(tmp_path / f"thing-{number}.tar.gz", (f"thing-{number}/a.c", str(number)))
        unpack_into(step, thing, str(number))
    kept = [path for path in cache_folder("unpacked").iterdir() if path.is_dir()]
    assert len(kept) == unpacked.MOST_KEPT
    assert cache_folder("unpacked") / file_sha256(thing) in kept
