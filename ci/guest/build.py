"""The tiny guest: Debian's cloud kernel and an initrd of busybox and our own init.

It boots in seconds on Xen (PV, PVH, HVM) and on QEMU, and proves on its console that it lives.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path

import msgspec

from ci import places
from ci.cached import made_once
from ci.codec import fingerprint, from_json, to_json
from ci.deadline import Deadline
from ci.errors import InfraError
from ci.guest import cpio, kernel
from ci.model import Record
from ci.shell import Argv, Shell

POWER_VERBS = ("poweroff", "reboot", "halt")
_POWER = b"#!/bin/busybox sh\nexec /bin/busybox %s -f\n"


class GuestRecipe(Record, frozen=True, kw_only=True):
    """Everything the guest is made of; its fingerprint is the key of the cache."""

    kernel_package: str = "linux-image-cloud-amd64"
    busybox_package: str = "busybox-static"
    button_modules: tuple[str, ...] = ("button", "evdev")
    xen_modules: tuple[str, ...] = ("xen_blkfront", "xen_netfront")
    qemu_modules: tuple[str, ...] = (
        "virtio_pci",
        "virtio_blk",
        "virtio_net",
        "virtio_balloon",
        "virtio_console",
    )
    init: str = ""


class Guest(Record, frozen=True, kw_only=True):
    """A guest that can be booted. ``kernel`` is the uncompressed ELF (quick, PV, PVH and QEMU),
    ``vmlinuz`` the same kernel as a bzImage (for an HVM guest). Paths are absolute."""

    key: str
    release: str
    kernel: str
    kernel_sha256: str
    vmlinuz: str
    vmlinuz_sha256: str
    initrd: str
    initrd_sha256: str


def guest_recipe() -> GuestRecipe:
    init = resources.files("ci.guest").joinpath("init").read_text(encoding="utf-8")
    return GuestRecipe(init=init)


def build_guest(shell: Shell, deadline: Deadline, *, say: Callable[[str], None]) -> Guest:
    """The guest of our recipe, from the cache or built now from Debian's packages.

    Works as an ordinary user. Raises InfraError when a package cannot be had, TimedOut.
    """
    recipe = guest_recipe()
    key = fingerprint(recipe)
    folder = places.cache_folder("guest") / key
    make = partial(_make, recipe, key, shell=shell, deadline=deadline, say=say)
    made_once(folder, make, deadline, say=say)
    found = from_json((folder / "guest.json").read_bytes(), Guest)
    return located(found, folder)


def located(guest: Guest, folder: Path) -> Guest:
    """The same guest with absolute paths of files in ``folder``."""
    return msgspec.structs.replace(
        guest,
        kernel=str(folder / guest.kernel),
        vmlinuz=str(folder / guest.vmlinuz),
        initrd=str(folder / guest.initrd),
    )


def _make(
    recipe: GuestRecipe,
    key: str,
    folder: Path,
    *,
    shell: Shell,
    deadline: Deadline,
    say: Callable[[str], None],
) -> None:
    began = time.monotonic()
    say("building the tiny guest from Debian's kernel and busybox")
    work = folder / "work"
    work.mkdir()
    package = concrete_package(shell, recipe.kernel_package, deadline)
    unpack_packages(shell, (package, recipe.busybox_package), work, deadline)
    vmlinuz = next((work / "root/boot").glob("vmlinuz-*"))
    (folder / "vmlinuz").write_bytes(vmlinuz.read_bytes())
    kernel.unpack_kernel(shell, vmlinuz, folder / "vmlinux", deadline)
    (folder / "initrd").write_bytes(_initrd(recipe, work / "root"))
    release = vmlinuz.name.removeprefix("vmlinuz-")
    (folder / "guest.json").write_bytes(to_json(_record(folder, key, release)))
    _run(shell, ("rm", "-rf", str(work)), deadline, "removing the unpacked packages failed")
    say(f"tiny guest {key} built in {time.monotonic() - began:.0f} s")


def _record(folder: Path, key: str, release: str) -> Guest:
    return Guest(
        key=key,
        release=release,
        kernel="vmlinux",
        kernel_sha256=_sha256(folder / "vmlinux"),
        vmlinuz="vmlinuz",
        vmlinuz_sha256=_sha256(folder / "vmlinuz"),
        initrd="initrd",
        initrd_sha256=_sha256(folder / "initrd"),
    )


def concrete_package(shell: Shell, meta: str, deadline: Deadline) -> str:
    """The package with the kernel itself that Debian's ``meta`` package stands for."""
    argv = ("apt-cache", "depends", "--important", meta)
    out = _run(shell, argv, deadline, f"apt knows no package {meta}")
    for line in out.splitlines():
        name = line.partition("Depends: ")[2].strip()
        if name.startswith("linux-image-"):
            return name
    raise InfraError(f"{meta} depends on no kernel package", hint="apt-get update", detail=out)


def unpack_packages(
    shell: Shell, packages: tuple[str, ...], work: Path, deadline: Deadline
) -> None:
    """Download Debian packages, as any user, and unpack them to ``work``/root."""
    _run(
        shell,
        ("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages),
        deadline,
        f"apt could not download {', '.join(packages)}",
        cwd=work,
    )
    for deb in sorted(work.glob("*.deb")):
        argv = ("dpkg-deb", "-x", str(deb), str(work / "root"))
        _run(shell, argv, deadline, f"{deb.name} cannot be unpacked")


def _initrd(recipe: GuestRecipe, root: Path) -> bytes:
    paths = kernel.module_paths(root / "lib/modules")
    button = kernel.in_loading_order(recipe.button_modules, paths)
    xen = kernel.in_loading_order(recipe.xen_modules, paths)
    qemu = kernel.in_loading_order(recipe.qemu_modules, paths)
    init = recipe.init.replace("@XEN@", _names(xen)).replace("@QEMU@", _names(qemu))
    folders = ("bin", "sbin", "dev", "proc", "sys", "modules")
    return cpio.archive(
        (
            *(cpio.folder(name) for name in folders),
            cpio.character_device("dev/console", 5, 1),
            cpio.program("bin/busybox", (root / "bin/busybox").read_bytes()),
            cpio.link("bin/sh", "busybox"),
            cpio.program("init", init.encode()),
            *(cpio.program(f"sbin/{verb}", _POWER % verb.encode()) for verb in POWER_VERBS),
            *(
                cpio.plain(f"modules/{path.name}", path.read_bytes())
                for path in sorted({*button, *xen, *qemu})
            ),
        )
    )


def _names(paths: tuple[Path, ...]) -> str:
    return " ".join(path.stem for path in paths)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run(
    shell: Shell, argv: Argv, deadline: Deadline, problem: str, *, cwd: Path | None = None
) -> str:
    done = shell.run(argv, deadline, cwd=str(cwd) if cwd else None, env={"LC_ALL": "C"})
    if not done.ok:
        hint = "run apt-get update; the guest needs the programs apt-get and dpkg-deb of Debian"
        raise InfraError(
            f"{problem} ({argv[0]}: status {done.status})", hint=hint, detail=done.tail(8)
        )
    return done.stdout
