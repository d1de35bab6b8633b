"""cpio archives read without being unpacked."""

from __future__ import annotations

import io
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.rpmfile.cpio import regular_files

FILE = stat.S_IFREG | 0o644


def member(
    name: str, data: bytes = b"", *, mode: int = FILE, inode: int = 1, links: int = 1
) -> bytes:
    raw = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


END = member("TRAILER!!!")


def heads(archive: bytes, size: int = 4) -> list[tuple[str, bytes]]:
    return [(m.path, m.head) for m in regular_files(io.BytesIO(archive), size)]


def test_files_are_given_with_their_first_bytes() -> None:
    archive = member("./usr/bin/a", b"abcdefg") + member("./usr", mode=stat.S_IFDIR | 0o755)
    assert heads(archive + member("b", b"xy") + END) == [("/usr/bin/a", b"abcd"), ("/b", b"xy")]


def test_every_name_of_a_file_with_several_has_its_content() -> None:
    archive = member("./a", inode=7, links=2) + member("./b", b"data", inode=7, links=2)
    assert heads(archive + END) == [("/a", b"data"), ("/b", b"data")]


@pytest.mark.parametrize("cut", [0, 50, 115, 125])
def test_an_archive_that_is_cut_short_is_an_error(cut: int) -> None:
    with pytest.raises(ValueError, match="cpio"):
        heads(member("./usr/bin/a", b"abcdefg")[:cut])


@given(st.binary(max_size=400))
def test_noise_is_an_error_and_never_a_crash(noise: bytes) -> None:
    with pytest.raises(ValueError):
        heads(member("./a", b"abc") + noise)
