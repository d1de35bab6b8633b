"""A tree as a tarball: the same tree gives the same bytes, wherever and whenever it is made."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from ci.errors import UsageError

MOMENT = 946684800  # every file is from 2000-01-01: when a tree was checked out tells nothing
_NOT_SOURCE = frozenset({".git", ".svn", ".hg", ".osc"})
_FAST = 1  # the tarball is unpacked at once; small does not pay


def write_archive(tree: Path, archive: Path, top: str) -> None:
    """Put ``tree`` into ``archive`` under the folder ``top``; the name's end says how to pack it.

    Raises UsageError for a packing that is not known or a file that no source has (a device, a
    socket), OSError when it cannot be read or written.
    """
    with contextlib.ExitStack() as files:
        packed = _packed(archive, files)
        tar = files.enter_context(
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT)
        )
        for path in _paths(tree):
            _add(tar, path, f"{top}/{path.relative_to(tree)}")


def _packed(archive: Path, files: contextlib.ExitStack) -> IO[bytes]:
    match archive.suffix:
        case ".tar":
            return files.enter_context(archive.open("wb"))
        case ".gz" | ".tgz":
            raw = files.enter_context(archive.open("wb"))
            stream = gzip.GzipFile("", "wb", compresslevel=_FAST, fileobj=raw, mtime=0)
            return cast("IO[bytes]", files.enter_context(stream))
        case ".xz":
            return cast("IO[bytes]", files.enter_context(lzma.open(archive, "wb", preset=_FAST)))
        case ".bz2":
            return files.enter_context(bz2.BZ2File(archive, "wb", compresslevel=_FAST))
    raise UsageError(
        f"the spec wants its source as {archive.name}, a packing that cannot be made here",
        hint="name it .tar, .tar.gz, .tar.xz or .tar.bz2 in the spec, or make it with dist = [...]",
    )


def _paths(tree: Path) -> Iterator[Path]:
    """Every file and folder, sorted, but what version control keeps for itself."""
    for path in sorted(tree.iterdir()):
        if path.name in _NOT_SOURCE:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _paths(path)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    if path.is_symlink() or path.is_dir() or path.is_file():
        # A member made by hand: gettarinfo would look for hard links, which a checkout may lack.
        member = tarfile.TarInfo(name)
        member.mtime = MOMENT
        member.mode = 0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644
    else:
        raise UsageError(f"{path} is neither a file nor a folder nor a link; no source has such")
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        tar.addfile(member)
    elif path.is_dir():
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    else:
        with path.open("rb") as file:
            member.size = os.fstat(file.fileno()).st_size
            tar.addfile(member, file)
