"""Package files: what each is called, its checksum, and the build-ids of what it installs."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from ci.deadline import Deadline
from ci.elf import HEAD_BYTES, build_id
from ci.errors import InfraError, UsageError
from ci.model import BuildId, Rpm
from ci.rpmfile.cpio import regular_files
from ci.shell import STATUS_NOT_FOUND, Completed, Shell

INSTALL_RPM = "install rpm and rpm2cpio (Debian: apt-get install rpm; elsewhere they are there)"
SECONDS = 120.0
_QUERY = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCEPACKAGE}\n"
_LEAD = b"\xed\xab\xee\xdb"
_DEBUG = re.compile(r"-debug(?:info|source)(?:-|$)")
_BY_ID = re.compile(r"/\.build-id/([0-9a-f]{2})/([0-9a-f]{2,126})\.debug$")


def read_package(shell: Shell, path: Path, deadline: Deadline) -> Rpm:
    """The record of one binary package file.

    Raises UsageError for a file that is no whole binary package, InfraError without rpm's tools.
    """
    name, epoch, version, release, arch = _names(shell, path, deadline)
    return Rpm(
        name=name,
        epoch=epoch,
        version=version,
        release=release,
        arch=arch,
        path=str(path),
        sha256=sha256_of(path),
        debug=bool(_DEBUG.search(name)),
        build_ids=_build_ids(shell, path, deadline),
    )


def sha256_of(path: Path) -> str:
    """Of a file, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def looks_like_package(path: Path) -> bool:
    """Whether the file starts as packages do. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_LEAD)) == _LEAD


def check_whole(shell: Shell, path: Path, deadline: Deadline) -> None:
    """Raise UsageError unless the checksums inside the package fit its content."""
    argv = ("rpmkeys", "--checksig", "--nosignature", str(path))
    done = _run(shell, argv, deadline)
    if not done.ok:
        raise UsageError(
            f"{path} is damaged or cut short: its own checksums do not fit",
            hint="fetch or build it again",
            detail=done.tail(),
        )


def _names(shell: Shell, path: Path, deadline: Deadline) -> tuple[str, int, str, str, str]:
    done = _run(shell, ("rpm", "-qp", "--nosignature", "--qf", _QUERY, str(path)), deadline)
    fields = done.stdout.strip("\n").split("\t")
    if not done.ok or len(fields) != 6:
        raise UsageError(f"{path} is not a package that rpm can read", detail=done.tail())
    name, epoch, version, release, arch, is_source = fields
    if is_source == "1":
        raise UsageError(f"{path} is a source package; binary packages are wanted")
    return name, int(epoch), version, release, arch


def _build_ids(shell: Shell, path: Path, deadline: Deadline) -> tuple[BuildId, ...]:
    with tempfile.TemporaryDirectory(prefix="virtci-rpm-") as folder:
        archive = Path(folder, "cpio")
        done = _run(shell, ("rpm2cpio", str(path)), deadline, archive)
        if not done.ok:
            raise UsageError(f"{path} cannot be unpacked by rpm2cpio", detail=done.tail(5))
        return _ids_in(archive, path)


def _ids_in(archive: Path, package: Path) -> tuple[BuildId, ...]:
    if archive.stat().st_size == 0:  # a package without any file
        return ()
    try:
        with archive.open("rb") as file:
            found = [(m.path, _id_of(m.path, m.head)) for m in regular_files(file, HEAD_BYTES)]
    except ValueError as error:
        raise UsageError(f"{package} has a damaged payload: {error}") from None
    return tuple(BuildId(path=path, build_id=known) for path, known in sorted(found) if known)


def _id_of(path: str, head: bytes) -> str:
    """A file of debug information has its notes elsewhere, but its name is its build-id."""
    if by_name := _BY_ID.search(path):
        return by_name[1] + by_name[2]
    return build_id(head)


def _run(
    shell: Shell, argv: tuple[str, ...], deadline: Deadline, log: Path | None = None
) -> Completed:
    done = shell.run(argv, deadline.within(SECONDS), env={"LC_ALL": "C"}, log=log)
    if done.status == STATUS_NOT_FOUND:
        raise InfraError(f"{argv[0]} is not installed on {shell.where}", hint=INSTALL_RPM)
    return done
