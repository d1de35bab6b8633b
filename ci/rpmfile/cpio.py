"""The "newc" cpio archive that ``rpm2cpio`` gives: names and first bytes, nothing is unpacked."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import IO, NamedTuple

_MAGIC = b"070701"
_HEADER = 110
_LONGEST_NAME = 65536


class Member(NamedTuple):
    """One regular file: the path it is installed at and its first bytes."""

    path: str
    head: bytes


def regular_files(archive: IO[bytes], head_bytes: int) -> Iterator[Member]:
    """Every regular file with at most ``head_bytes`` of its content.

    A file with several names has its content at the last of them and is given under each. Raises
    ValueError when the archive is cut short or is none.
    """
    linked: dict[int, list[str]] = {}
    for inode, mode, links, size, name in _headers(archive):
        head = _content(archive, size, head_bytes)
        if not stat.S_ISREG(mode):
            continue
        if links > 1 and size == 0:
            linked.setdefault(inode, []).append(name)
            continue
        yield from (Member(path, head) for path in (*linked.pop(inode, ()), name))
    yield from (Member(path, b"") for names in linked.values() for path in names)


def _headers(archive: IO[bytes]) -> Iterator[tuple[int, int, int, int, str]]:
    while True:
        header = archive.read(_HEADER)
        if len(header) != _HEADER or header[:6] != _MAGIC:
            raise ValueError("not a whole cpio archive")
        inode, mode, _, _, links, _, size, *_, name_size, _ = (
            int(header[at : at + 8], 16) for at in range(6, _HEADER, 8)
        )
        if not 0 < name_size <= _LONGEST_NAME:
            raise ValueError(f"a name of {name_size} bytes in a cpio archive")
        name = _content(archive, name_size, name_size, before=_HEADER)
        path = name.rstrip(b"\0").decode(errors="replace")
        if path == "TRAILER!!!":
            return
        yield inode, mode, links, size, "/" + path.removeprefix(".").removeprefix("/")


def _content(archive: IO[bytes], size: int, keep: int, before: int = 0) -> bytes:
    """Read ``size`` bytes and the padding to a multiple of four; return the first ``keep``."""
    whole = size + -(before + size) % 4
    head = archive.read(min(whole, keep))
    rest = whole - len(head)
    while rest > 0:
        block = archive.read(min(rest, 1 << 20))
        if not block:
            raise ValueError("a cpio archive that is cut short")
        rest -= len(block)
    return head[: min(size, keep)]
