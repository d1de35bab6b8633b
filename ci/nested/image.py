"""Images of nested hosts: built once, kept in the cache, listed and removed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from ci import places
from ci.cached import locked, made_once, sweep
from ci.codec import from_json, to_json
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.guest.build import Guest, build_guest
from ci.model import Record
from ci.nested import dom0, rootfs
from ci.nested.keys import client_key, make_key, public_half
from ci.nested.recipe import Flavour, ImageRecipe, image_key, image_recipe, packages_key
from ci.shell import Shell

Say = Callable[[str], None]


class Image(Record, frozen=True, kw_only=True):
    """An image in the cache. ``folder`` holds disk.qcow2, vmlinux, initrd, and xen; ``host_key`` is
    the public half of the key that its sshd shows, ``client_key`` the file that opens it."""

    key: str
    name: str
    kernel: str
    guest: str
    host_key: str
    uri: str
    client_key: str
    seconds: float
    folder: str = ""

    def path(self, name: str) -> str:
        return str(Path(self.folder, name))


def images_folder() -> Path:
    return places.cache_folder("images")


def build_image(shell: Shell, deadline: Deadline, *, say: Say, flavour: Flavour = "xen") -> Image:
    """The image of our recipe, from the cache or built now (a minute or two, 250 MB of disk).

    Works as root and as an ordinary user. Raises InfraError, TimedOut; then nothing is kept.
    """
    recipe = image_recipe(flavour)
    guest = build_guest(shell, deadline, say=say)
    client = client_key(shell, deadline)
    key = image_key(recipe, guest_key=guest.key, client_key=public_half(client))
    builder = _Builder(recipe, guest, client, key, shell, deadline, say)
    folder = images_folder() / key
    made_once(folder, builder.make, deadline, say=say, remove=rootfs.remove_tree)
    return read_image(folder)


def read_image(folder: Path) -> Image:
    """The image that lies in ``folder``."""
    image = from_json((folder / "image.json").read_bytes(), Image)
    return msgspec.structs.replace(image, folder=str(folder))


def list_images() -> tuple[Image, ...]:
    """Every whole image in the cache."""
    found = sorted(images_folder().glob("*/image.json"))
    return tuple(read_image(path.parent) for path in found)


def remove_image(key: str, deadline: Deadline, *, say: Say) -> None:
    """Remove an image and what interrupted builds of it left. Raises UsageError: no such image."""
    folder = images_folder() / key
    if key not in {path.name for path in images_folder().iterdir() if path.is_dir()}:
        known = ", ".join(image.key for image in list_images()) or "none"
        raise UsageError(f'no image is called "{key}"; there are: {known}')
    with locked(folder, deadline, say=say):
        gone = folder.with_name(f".partial-{key}-gone")
        folder.rename(gone)
        sweep(folder, rootfs.remove_tree)


def size_mib(folder: Path) -> int:
    """Disk space that a folder takes."""
    return sum(path.stat().st_blocks for path in folder.rglob("*") if path.is_file()) * 512 // 2**20


@dataclass(frozen=True)
class _Builder:
    """One build of one image."""

    recipe: ImageRecipe
    guest: Guest
    client: Path
    key: str
    shell: Shell
    deadline: Deadline
    say: Say

    def make(self, folder: Path) -> None:
        began = time.monotonic()
        root = folder / "root"
        packages = self._packages()
        self.say("unpacking the packages and adding our files")
        rootfs.unpack(packages, root, shell=self.shell, deadline=self.deadline)
        host_key = self._host_key(root)
        dom0.furnish(root, self.recipe, guest=self.guest, client_key=public_half(self.client))
        kernel = dom0.put_boot_files(
            root, self.recipe, folder, shell=self.shell, deadline=self.deadline
        )
        self.say("making the disk")
        rootfs.make_disk(
            root,
            folder / "disk.qcow2",
            self.recipe,
            shell=self.shell,
            deadline=self.deadline,
        )
        rootfs.remove_tree(root, shell=self.shell)
        image = self._record(kernel, host_key, time.monotonic() - began)
        (folder / "image.json").write_bytes(to_json(image))
        self.say(f"image {self.key} built in {image.seconds:.0f} s")

    def _packages(self) -> Path:
        folder = images_folder() / packages_key(self.recipe)
        make = partial(_make_packages, self.recipe, self.shell, self.deadline, self.say)
        made_once(folder, make, self.deadline, say=self.say, remove=rootfs.remove_tree)
        return folder / "rootfs.tar.zst"

    def _host_key(self, root: Path) -> str:
        """A host key of this image alone, so that known_hosts is known before the first boot."""
        for old in (root / "etc/ssh").glob("ssh_host_*"):
            old.unlink()
        path = root / "etc/ssh/ssh_host_ed25519_key"
        return make_key(self.shell, path, self.deadline, comment=self.recipe.hostname)

    def _record(self, kernel: str, host_key: str, seconds: float) -> Image:
        return Image(
            key=self.key,
            name=self.recipe.name,
            kernel=kernel,
            guest=self.guest.key,
            host_key=host_key,
            uri=self.recipe.uri,
            client_key=str(self.client),
            seconds=seconds,
        )


def _make_packages(
    recipe: ImageRecipe, shell: Shell, deadline: Deadline, say: Say, folder: Path
) -> None:
    say(f"installing {len(recipe.packages)} packages and what they need; about a minute")
    rootfs.make_packages(recipe, folder, shell=shell, deadline=deadline)
