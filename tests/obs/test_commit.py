"""Commits send what changed and nothing else, and survive a lost answer."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ci.obs.commit import commit
from ci.obs.door import Query, Unreachable
from ci.obs.target import Package
from tests.obs.fakes import FakeDoor, deadline

PACKAGE = Package(project="p", package="hello")
LOOK, COMMIT = "GET /source/p/hello", "POST /source/p/hello commitfilelist"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def listed(rev: str, **files: bytes) -> bytes:
    entries = "".join(
        f'<entry name="{n.replace("_", ".")}" md5="{md5(d)}" size="{len(d)}"/>'
        for n, d in files.items()
    )
    return f'<directory name="hello" rev="{rev}" srcmd5="m{rev}">{entries}</directory>'.encode()


def files(folder: Path, **contents: bytes) -> dict[str, Path]:
    made = {}
    for name, data in contents.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(data)
        made[path.name] = path
    return made


def test_nothing_is_committed_when_nothing_changed(tmp_path: Path) -> None:
    door = FakeDoor({LOOK: listed("3", a_spec=b"one")})
    done = commit(door, deadline(), PACKAGE, files(tmp_path, a_spec=b"one"), "m")
    assert (done.rev, done.changed) == ("3", ())
    assert door.count("POST /source/p/hello") == 0


def test_only_what_the_service_misses_is_sent(tmp_path: Path) -> None:
    missing = b'<directory name="hello" error="missing"><entry name="b.patch" md5="x"/></directory>'
    door = FakeDoor(
        {
            LOOK: [listed("3", a_spec=b"one"), listed("4", a_spec=b"one", b_patch=b"two")],
            COMMIT: [missing, listed("4")],
        }
    )
    wanted = files(tmp_path, a_spec=b"one", b_patch=b"two")
    done = commit(door, deadline(), PACKAGE, wanted, "m")
    assert (done.rev, done.changed) == ("4", ("b.patch",))
    assert door.sent == {"/source/p/hello/b.patch": b"two"}


def test_a_file_that_is_gone_counts_as_changed(tmp_path: Path) -> None:
    door = FakeDoor(
        {
            LOOK: [listed("3", a_spec=b"one", b_patch=b"two"), listed("4", a_spec=b"one")],
            COMMIT: listed("4"),
        }
    )
    done = commit(door, deadline(), PACKAGE, files(tmp_path, a_spec=b"one"), "m")
    assert done.changed == ("b.patch",)


def test_a_commit_whose_answer_was_lost_is_found_again(tmp_path: Path) -> None:
    def lost(query: Query, data: bytes) -> bytes:
        raise Unreachable("cut")

    door = FakeDoor({LOOK: [listed("3", a_spec=b"one"), listed("4", a_spec=b"new")], COMMIT: lost})
    done = commit(door, deadline(), PACKAGE, files(tmp_path, a_spec=b"new"), "m")
    assert done.rev == "4"
    assert door.count("POST /source/p/hello") == 1


def test_a_commit_that_did_not_arrive_is_told(tmp_path: Path) -> None:
    door = FakeDoor({LOOK: listed("3", a_spec=b"one"), COMMIT: Unreachable("cut")})
    with pytest.raises(Unreachable):
        commit(door, deadline(), PACKAGE, files(tmp_path, a_spec=b"new"), "m")
