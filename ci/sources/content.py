"""What a tree contains, as one number: the same for every kind of source."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20


def content_digest(root: Path) -> str:
    """The sha256 over path, mode and bytes of each file below ``root``, in the order of the paths.

    As for git, the mode is "executable or not", a link is its target, and folders do not count:
    who checked it out, when, and with what umask makes no difference.
    """
    total = hashlib.sha256()
    for name, path in sorted(_files(os.fsencode(root))):
        mode, digest = _entry(path)
        total.update(b"%s %s %d:%s\n" % (mode, digest, len(name), name))
    return total.hexdigest()


def file_sha256(path: Path | str | bytes) -> str:
    """The sha256 of one file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _files(root: bytes) -> Iterator[tuple[bytes, bytes]]:
    for folder, folders, names in os.walk(root):
        links = [
            name for name in folders if (Path(os.fsdecode(folder), os.fsdecode(name))).is_symlink()
        ]
        for name in (*names, *links):
            path = os.path.join(folder, name)  # noqa: PTH118 - names may be any bytes
            yield os.path.relpath(path, root), path


def _entry(path: bytes) -> tuple[bytes, bytes]:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return b"120000", hashlib.sha256(os.readlink(path)).hexdigest().encode()  # noqa: PTH115
    kind = b"100755" if mode & stat.S_IXUSR else b"100644"
    return kind, file_sha256(path).encode()
