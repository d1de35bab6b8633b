"""Unpacking an archive that others made, without trusting it.

Stricter than tarfile's own data filter, and the same on each version of Python: names stay below
the folder, links point below it and are made last, so that nothing is ever written through one.
"""

from __future__ import annotations

import lzma
import os
import posixpath
import shutil
import tarfile
import zlib
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.sources.export import empty

MOST_MEMBERS = 1_000_000
MOST_BYTES = 16 * 2**30


def unpack(archive: Path, folder: Path, deadline: Deadline) -> None:
    """The files of a tar archive (plain, gzip, bzip2, xz) below ``folder``, which is empty.

    A single top folder is stripped. Raises UsageError for what is no whole archive, and for
    members that reach out of it.
    """
    inner = empty(folder.with_name(folder.name + ".unpack"))
    try:
        with tarfile.open(archive) as tar:
            _members(archive, tar, inner, deadline)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        name = Path(error.filename).relative_to(inner)
        raise UsageError(f"{archive.name}: {name} is both a file and a folder, refused") from None
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UsageError(f"{archive.name}: is no whole tar archive ({error})") from None
    folder.rmdir()
    _top(inner).rename(folder)
    shutil.rmtree(inner, ignore_errors=True)


def _top(inner: Path) -> Path:
    entries = list(inner.iterdir())
    only = entries[0] if len(entries) == 1 else inner
    return only if only.is_dir() and not only.is_symlink() else inner


def _members(archive: Path, tar: tarfile.TarFile, inner: Path, deadline: Deadline) -> None:
    links: list[tuple[Path, str]] = []
    size = 0
    for count, member in enumerate(tar, 1):
        deadline.check(f"unpacking {archive.name}")
        size += member.size
        if count > MOST_MEMBERS or size > MOST_BYTES:
            raise UsageError(f"{archive.name}: unpacks to more than a source ever has")
        name = _name(archive, member.name)
        to = inner / name
        if member.isdir():
            to.mkdir(parents=True, exist_ok=True)
        elif member.issym():
            links.append((to, _link(archive, name, member.linkname)))
        elif member.isfile() or member.islnk():
            _file(archive, tar, member, to, inner)
        else:
            raise UsageError(f"{archive.name}: {member.name} is a device or pipe, refused")
    for to, points_at in links:
        _make_link(archive, to, points_at, inner)


def _file(
    archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, to: Path, inner: Path
) -> None:
    if not to.parent.is_dir():
        to.parent.mkdir(parents=True, exist_ok=True)
    if to.exists():  # in the archive twice: the last one counts, as for tar
        to.unlink()
    if member.islnk():
        source = inner / _name(archive, member.linkname)
        if not source.is_file():
            raise UsageError(
                f"{archive.name}: {member.name} is a hard link to a file that is not there"
            )
        shutil.copy2(source, to)
        return
    content = tar.extractfile(member)
    if content is not None:
        with to.open("xb") as file:
            shutil.copyfileobj(content, file)
    to.chmod(0o755 if member.mode & 0o100 else 0o644)
    os.utime(to, (member.mtime, member.mtime))


def _name(archive: Path, name: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise UsageError(f"{archive.name}: the member {name} reaches out of the archive, refused")
    return posixpath.normpath(name)


def _link(archive: Path, name: str, points_at: str) -> str:
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(name), points_at))
    if points_at.startswith("/") or reached.split("/")[0] == "..":
        raise UsageError(
            f"{archive.name}: the link {name} to {points_at} reaches out of the archive, refused"
        )
    return points_at


def _make_link(archive: Path, to: Path, points_at: str, inner: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.parent.resolve() != Path(inner.resolve(), to.parent.relative_to(inner)):
        raise UsageError(f"{archive.name}: {to.relative_to(inner)} lies behind a link, refused")
    if to.is_dir() and not to.is_symlink():
        raise UsageError(f"{archive.name}: {to.relative_to(inner)} is a folder and a link, refused")
    to.unlink(missing_ok=True)
    to.symlink_to(points_at)
