"""The files that a core needs to be read off its host, found by build-id and put into a sysroot.

Each module of the core is taken from the packages that were installed, or from this machine when
it has the very same file; nothing is taken because its name fits. What is not found stays unknown.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ci.deadline import Deadline
from ci.elf import HEAD_BYTES, build_id
from ci.errors import InfraError
from ci.model import Build
from ci.shell import STATUS_NOT_FOUND, Shell

SECONDS = 120.0
INSTALL = "apt-get install elfutils rpm cpio; zypper install elfutils rpm cpio"
DEBUG = Path("usr/lib/debug")
_MODULE = re.compile(r"^0x([0-9a-f]+)\+\S+ ([0-9a-f]{8,})", re.MULTILINE)
_MAPPED = re.compile(r"^\s+([0-9a-f]+)-[0-9a-f]+ [0-9a-f]+ \d+\s+(/.*)$", re.MULTILINE)


@dataclass(frozen=True)
class CoreModule:
    """A program or library that was mapped when the process died."""

    path: str
    build_id: str


@dataclass(frozen=True)
class Sysroot:
    """A folder that looks like the host's root; ``missing`` are modules that nobody has here."""

    folder: Path
    executable: str
    missing: tuple[str, ...]


def modules_of(core: Path, shell: Shell, deadline: Deadline) -> tuple[CoreModule, ...]:
    """What was mapped, the program first. Raises InfraError without elfutils."""
    mapped = dict(_MAPPED.findall(_tell(shell, ("eu-readelf", "-n", str(core)), deadline)))
    listed = _tell(shell, ("eu-unstrip", "-n", f"--core={core}"), deadline)
    return tuple(
        CoreModule(path=mapped[start], build_id=identity)
        for start, identity in _MODULE.findall(listed)
        if start in mapped
    )


def _tell(shell: Shell, argv: tuple[str, ...], deadline: Deadline) -> str:
    env = {"LC_ALL": "C", "DEBUGINFOD_URLS": ""}
    done = shell.run(argv, deadline.within(SECONDS), env=env)
    if done.status == STATUS_NOT_FOUND:
        raise InfraError(f"{argv[0]}, which reads cores, is not installed", hint=INSTALL)
    return done.stdout


def unpack(build: Build, folder: Path, shell: Shell, deadline: Deadline) -> Path:
    """All packages of a build unpacked below ``folder``, once. Raises InfraError."""
    root = folder / "packages"
    if root.is_dir():
        return root
    partial = folder / "packages.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for rpm in build.rpms:
        archive = folder / f"{rpm.name}.cpio"
        _must(shell, ("rpm2cpio", rpm.path), deadline, log=archive)
        extract = ("cpio", "-idmu", "--quiet", "--no-absolute-filenames", "-F", str(archive))
        _must(shell, extract, deadline, cwd=str(partial))
        archive.unlink()
    partial.rename(root)
    return root


def sysroot_for(
    core: Path, build: Build | None, folder: Path, shell: Shell, deadline: Deadline
) -> Sysroot:
    """The modules of ``core`` below ``folder``, each proven by its build-id."""
    packages = unpack(build, folder, shell, deadline) if build and build.rpms else None
    modules = modules_of(core, shell, deadline)
    root = folder / "root"
    _lay_out(root)
    missing = [module.path for module in modules if not _place(module, packages, root)]
    if packages is not None and (packages / DEBUG).is_dir():
        shutil.copytree(packages / DEBUG, root / DEBUG, dirs_exist_ok=True, symlinks=True)
    program = modules[0].path if modules else ""
    executable = root / program.lstrip("/")
    return Sysroot(root, str(executable) if program and executable.exists() else "", tuple(missing))


def _lay_out(root: Path) -> None:
    """Folders and links as on hosts of today, where /lib is /usr/lib: names come in both forms."""
    (root / DEBUG).mkdir(parents=True, exist_ok=True)
    for name in ("lib", "lib64", "bin", "sbin"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")


def _place(module: CoreModule, packages: Path | None, root: Path) -> bool:
    """Link a file with the module's build-id to the module's place below ``root``."""
    place = root / module.path.lstrip("/")
    if place.exists() and _id(place) == module.build_id:
        return True
    for source in _candidates(module, packages):
        if _id(source) == module.build_id:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(source.resolve())
            _alias(place)
            return True
    return False


def _alias(library: Path) -> None:
    """The process opened libfoo.so.0; the core knows the file, libfoo.so.0.7400.6."""
    name = library.name
    while ".so." in name:
        name = name.rpartition(".")[0]
        alias = library.with_name(name)
        if not alias.is_symlink():
            alias.symlink_to(library.name)


def _candidates(module: CoreModule, packages: Path | None) -> list[Path]:
    relative = module.path.lstrip("/")
    merged = relative if relative.startswith("usr/") else f"usr/{relative}"
    found = [Path(module.path), Path("/", merged)]
    if packages is not None:
        named = sorted(packages.rglob(Path(relative).name))
        found = [packages / relative, packages / merged, *named, *found]
    return [path for path in found if path.is_file()]


def _id(path: Path) -> str:
    with path.open("rb") as file:
        return build_id(file.read(HEAD_BYTES))


def _must(
    shell: Shell,
    argv: tuple[str, ...],
    deadline: Deadline,
    *,
    log: Path | None = None,
    cwd: str | None = None,
) -> None:
    done = shell.run(argv, deadline.within(SECONDS), log=log, cwd=cwd)
    if not done.ok:
        hint = INSTALL if done.status == STATUS_NOT_FOUND else ""
        raise InfraError(f"{argv[0]} failed on {argv[-1]}", detail=done.tail(5), hint=hint)
