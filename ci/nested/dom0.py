"""Our own files in the root of a nested host, and the RAM disk that it starts with."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.guest import cpio, kernel
from ci.guest.build import Guest
from ci.nested.recipe import ImageRecipe
from ci.nested.rootfs import write_file
from ci.shell import Shell

LIBRARY = "/usr/lib/virtci"
GUEST_FOLDER = "/var/lib/virtci/guest"
_PROGRAMS = ("boot", "ready", "restart-daemons", "run-libvirtd", "run-virtlogd", "wire")
_RPM_MACROS = "%_dbpath /var/lib/rpm\n"


def furnish(root: Path, recipe: ImageRecipe, *, guest: Guest, client_key: str) -> None:
    """Write everything that makes a host of ours out of bare packages."""
    for name in _PROGRAMS:
        write_file(root, f"{LIBRARY}/{name}", _filled(recipe, name), 0o755)
    (root / LIBRARY.lstrip("/") / "init").symlink_to("/bin/busybox")
    write_file(root, "/etc/inittab", _filled(recipe, "inittab"))
    write_file(root, "/etc/hostname", recipe.hostname + "\n")
    write_file(root, "/etc/hosts", f"127.0.0.1 localhost\n10.0.2.15 {recipe.hostname}\n")
    write_file(root, "/etc/ssh/sshd_config", _filled(recipe, "sshd_config"))
    write_file(root, "/etc/ssh/virtci_authorized_keys", client_key + "\n", 0o600)
    write_file(root, "/etc/libvirt/libvirtd.conf", _filled(recipe, "libvirtd.conf"))
    write_file(root, "/etc/rpm/macros", _RPM_MACROS)
    for path in recipe.removed:
        (root / path.lstrip("/")).unlink()
    if recipe.xen_version:
        _direct_xl(root, recipe)
        _hide_vme(root / "usr/share/libvirt/cpu_map/x86_486.xml")
    _put_guest(root, guest)


def _filled(recipe: ImageRecipe, name: str) -> str:
    text = recipe.files[name]
    return text.replace("@XEN@", recipe.xen_version).replace("@URI@", recipe.uri)


def _direct_xl(root: Path, recipe: ImageRecipe) -> None:
    """Debian's xl is a chain of shell scripts, which costs a second under emulation."""
    (root / "usr/local/sbin").mkdir(parents=True, exist_ok=True)
    (root / "usr/local/sbin/xl").symlink_to(f"/usr/lib/xen-{recipe.xen_version}/bin/xl")


def _hide_vme(model: Path) -> None:
    """libvirtd's Xen driver ends with "Cannot find suitable CPU model" where VME is lacking.

    Emulation has no VME, and 486 is the least model there is.
    """
    text = model.read_text(encoding="utf-8")
    changed = re.sub(r"\s*<feature name='vme'/>", "", text)
    if changed == text:
        raise InfraError(f"{model.name} of the host image has no vme to hide; has libvirt changed?")
    model.write_text(changed, encoding="utf-8")


def _put_guest(root: Path, guest: Guest) -> None:
    folder = root / GUEST_FOLDER.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(guest.kernel, folder / "vmlinux")
    shutil.copyfile(guest.vmlinuz, folder / "vmlinuz")
    shutil.copyfile(guest.initrd, folder / "initrd")


def put_boot_files(
    root: Path, recipe: ImageRecipe, folder: Path, *, shell: Shell, deadline: Deadline
) -> str:
    """Write hypervisor, if any, kernel and RAM disk to ``folder``; return the kernel's release."""
    if recipe.xen_version:
        packed = root / f"boot/xen-{recipe.xen_version}-amd64.gz"
        (folder / "xen").write_bytes(gzip.decompress(packed.read_bytes()))
    vmlinuz = next((root / "boot").glob("vmlinuz-*"))
    kernel.unpack_kernel(shell, vmlinuz, folder / "vmlinux", deadline)
    (folder / "initrd").write_bytes(initrd(root, recipe))
    return vmlinuz.name.removeprefix("vmlinuz-")


def initrd(root: Path, recipe: ImageRecipe) -> bytes:
    """A RAM disk that loads the modules for the disk, mounts it and goes on there."""
    paths = kernel.module_paths(root / "usr/lib/modules")
    modules = kernel.in_loading_order(recipe.initrd_modules, paths)
    init = recipe.files["dom0-initrd-init"]
    init = init.replace("@MODULES@", " ".join(path.stem for path in modules))
    return cpio.archive(
        (
            *(cpio.folder(name) for name in ("bin", "dev", "proc", "root", "modules")),
            cpio.character_device("dev/console", 5, 1),
            cpio.program("bin/busybox", (root / "bin/busybox").read_bytes()),
            cpio.program("init", init.encode()),
            *(cpio.plain(f"modules/{path.name}", path.read_bytes()) for path in modules),
        )
    )
