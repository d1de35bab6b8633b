"""Images are whole or not there; they are listed, and removed by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from ci import places
from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted, UsageError
from ci.nested import keys, rootfs
from ci.nested.image import build_image, images_folder, list_images, remove_image
from ci.nested.recipe import image_recipe, packages_key
from ci.shell import Argv, Completed, LocalShell

SECONDS = 900.0
BUILDER = """
from ci.deadline import Deadline
from ci.nested.image import build_image
from ci.shell import LocalShell
build_image(LocalShell(), Deadline.after(900), say=lambda text: print(text, flush=True))
"""


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the user's own stays as it is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_empty_cache_has_no_images_and_none_can_be_removed(own_cache: Path) -> None:
    assert list_images() == ()
    with pytest.raises(UsageError, match='no image is called "xen-1"; there are: none'):
        remove_image("xen-1", Deadline.after(10), say=quiet)


def test_the_folder_of_an_interrupted_build_is_not_listed(own_cache: Path) -> None:
    left = images_folder() / ".partial-xen-1-abc"
    left.mkdir()
    (left / "disk.qcow2").write_bytes(b"half")
    assert list_images() == ()


class Failing(LocalShell):
    """Every command fails, with what mmdebstrap would say."""

    def run(self, argv: Argv, deadline: Deadline, **_: object) -> Completed:
        return Completed(argv, 25, "", "E: cannot reach the mirror", 0.1)


def test_a_failing_program_is_named_with_its_output_and_advice(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="mmdebstrap failed with status 25") as caught:
        rootfs.make_packages(image_recipe(), tmp_path, shell=Failing(), deadline=Deadline.after(10))
    assert "cannot reach the mirror" in caught.value.detail
    assert "apt-get install mmdebstrap" in caught.value.hint


class Stopped(LocalShell):
    """mmdebstrap is killed while it unpacks."""

    def run(
        self, argv: Argv, deadline: Deadline, *, env: Mapping[str, str] | None = None, **_: object
    ) -> Completed:
        Path((env or {})["TMPDIR"], "mmdebstrap.half").mkdir()
        raise Interrupted("stopped")


def test_what_a_killed_program_had_unpacked_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    with pytest.raises(Interrupted):
        rootfs.make_packages(image_recipe(), tmp_path, shell=Stopped(), deadline=Deadline.after(10))
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.real
def test_a_disk_is_made_with_the_path_of_an_ordinary_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    (tmp_path / "root").mkdir()
    recipe = msgspec.structs.replace(image_recipe(), disk_gib=1)
    disk = tmp_path / "disk.qcow2"
    deadline = Deadline.after(SECONDS)
    rootfs.make_disk(tmp_path / "root", disk, recipe, shell=LocalShell(), deadline=deadline)
    assert disk.is_file()


@pytest.mark.real
def test_the_login_key_is_made_once_and_readable_by_us_alone(own_cache: Path) -> None:
    first = keys.client_key(LocalShell(), Deadline.after(30))
    public = keys.public_half(first)
    assert first.stat().st_mode & 0o777 == 0o600
    assert keys.client_key(LocalShell(), Deadline.after(30)) == first
    assert keys.public_half(first) == public


@pytest.fixture
def packages_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache but for the packages and the guest, which another test is about."""
    build_image(LocalShell(), Deadline.after(SECONDS), say=quiet)
    packages = images_folder() / packages_key(image_recipe())
    guest = places.cache_folder("guest")
    cache = tmp_path / "cache" / "virtci"
    (cache / "images").mkdir(parents=True)
    (cache / "images" / packages.name).symlink_to(packages)
    (cache / "guest").symlink_to(guest)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    return cache / "images"


@pytest.mark.xen
@pytest.mark.parametrize("stage", ["unpacking the packages", "making the disk"])
def test_a_builder_killed_in_the_middle_leaves_nothing_that_is_used(
    packages_at_hand: Path, stage: str
) -> None:
    with subprocess.Popen(
        (sys.executable, "-c", BUILDER), stdout=subprocess.PIPE, text=True
    ) as builder:
        assert builder.stdout is not None
        while stage not in builder.stdout.readline():
            assert builder.poll() is None
        time.sleep(0.5)
        os.kill(builder.pid, signal.SIGKILL)
    assert list_images() == ()
    assert list(packages_at_hand.glob(".partial-*"))
    image = build_image(LocalShell(), Deadline.after(SECONDS), say=quiet)
    assert [found.key for found in list_images()] == [image.key]
    assert not list(packages_at_hand.glob(".partial-*"))
    subprocess.run(("qemu-img", "check", "-q", image.path("disk.qcow2")), check=True, timeout=60)
    remove_image(image.key, Deadline.after(60), say=quiet)
    assert list_images() == ()
