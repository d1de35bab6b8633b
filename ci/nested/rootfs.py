"""Root file systems: Debian packages by mmdebstrap, files of ours, and a disk made of it.

As root it works directly. As an ordinary user it works inside user namespaces, in which root is
that user: mmdebstrap makes one of its own, ``unshare`` makes ours.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ci.deadline import Deadline, SystemClock
from ci.errors import InfraError
from ci.nested.recipe import ImageRecipe
from ci.shell import Argv, LocalShell, Shell

# the children end with us: whoever kills the builder leaves nobody writing
_TIED = ("setpriv", "--pdeathsig", "TERM", "--")
_REMOVE_SECONDS = 120
_SBIN = "/usr/sbin:/sbin"  # where mke2fs is; not in the path of Debian's ordinary users


def namespace(*, uid: int | None = None) -> Argv:
    """What to put before a command that needs root's rights over our own files."""
    root = (os.getuid() if uid is None else uid) == 0
    return () if root else ("unshare", "--user", "--map-root-user", "--map-auto", "--")


def mmdebstrap_command(recipe: ImageRecipe, tar: Path, *, uid: int) -> Argv:
    """The command that makes a tar archive of all packages of the recipe."""
    return (
        *_TIED,
        "mmdebstrap",
        f"--mode={'root' if uid == 0 else 'unshare'}",
        "--variant=minbase",
        "--format=tar",
        "--aptopt=APT::Install-Recommends false",
        *(f"--dpkgopt={option}" for option in recipe.dpkg_options),
        f"--include={','.join(recipe.packages)}",
        recipe.suite,
        str(tar),
        *recipe.sources,
    )


def make_packages(recipe: ImageRecipe, folder: Path, *, shell: Shell, deadline: Deadline) -> None:
    """Download and unpack the packages to ``folder``/rootfs.tar.zst. Raises InfraError."""
    tar = folder / "rootfs.tar"
    with _scratch() as scratch:
        command = mmdebstrap_command(recipe, tar, uid=os.getuid())
        _must(shell, command, deadline, folder.parent, {"TMPDIR": str(scratch)})
    _must(shell, ("zstd", "-q", "-1", "-T0", "--rm", str(tar)), deadline, folder.parent)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Where mmdebstrap unpacks. What it leaves there when it is killed is removed."""
    folder = Path(tempfile.mkdtemp(prefix="virtci-packages-"))
    folder.chmod(0o755)  # as an ordinary user it works under other ids
    try:
        yield folder
    finally:
        with suppress(InfraError):
            remove_tree(folder)


def unpack(archive: Path, root: Path, *, shell: Shell, deadline: Deadline) -> None:
    root.mkdir()
    tar = ("tar", "-I", "zstd", "-x", "-p", "--numeric-owner", "--exclude=./dev/*")
    argv = (*_TIED, *namespace(), *tar, "-C", str(root), "-f", str(archive))
    _must(shell, argv, deadline, root.parent)


def make_disk(
    root: Path, disk: Path, recipe: ImageRecipe, *, shell: Shell, deadline: Deadline
) -> None:
    """Make ``disk`` (qcow2, packed) of the folder ``root``. No loop device, no mount."""
    raw = disk.with_suffix(".raw")
    journal = ("-J", f"size={recipe.journal_mib}")
    mke2fs = ("mke2fs", "-q", "-t", "ext4", *journal, "-m", "0", "-d", str(root))
    argv = (*_TIED, *namespace(), *mke2fs, str(raw), f"{recipe.disk_gib}G")
    _must(shell, argv, deadline, root.parent)
    convert = ("qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd")
    _must(shell, (*_TIED, *convert, str(raw), str(disk)), deadline, root.parent)
    raw.unlink()


def remove_tree(folder: Path, *, shell: Shell | None = None) -> None:
    """Remove a folder whose files may belong to the users of a namespace of ours."""
    deadline = Deadline.after(_REMOVE_SECONDS, SystemClock())
    argv = (*namespace(), "rm", "-rf", "--one-file-system", "--", str(folder))
    done = (shell or LocalShell()).run(argv, deadline)
    if not done.ok:
        raise InfraError(f"{folder} cannot be removed", detail=done.tail(5))


def write_file(root: Path, path: str, text: str | bytes, mode: int = 0o644) -> None:
    """Put a file of root's into ``root``."""
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_bytes(text.encode() if isinstance(text, str) else text)
    target.chmod(mode)


def _must(
    shell: Shell,
    argv: Argv,
    deadline: Deadline,
    where: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    path = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"
    done = shell.run(argv, deadline, env={"LC_ALL": "C.UTF-8", "PATH": path, **(environment or {})})
    if done.ok:
        return
    program = next(word for word in argv if word in _HINTS)
    space = os.statvfs(where)
    free = space.f_bavail * space.f_frsize // 2**20
    hint = _HINTS[program] if free > _LOW_MIB else f"only {free} MiB are free in {where}"
    message = f"{program} failed with status {done.status} while making the host image"
    raise InfraError(message, hint=hint, detail=done.tail(15))


_LOW_MIB = 200
_HINTS = {
    "mmdebstrap": "apt-get install mmdebstrap uidmap; an ordinary user needs a line in /etc/subuid "
    "and /etc/subgid, and user namespaces",
    "tar": "apt-get install zstd uidmap",
    "zstd": "apt-get install zstd",
    "mke2fs": "apt-get install e2fsprogs",
    "qemu-img": "apt-get install qemu-utils",
}
