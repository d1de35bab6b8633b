"""Archives of ours are what the kernel's own unpacker expects."""

from __future__ import annotations

import subprocess

import pytest

from ci.guest import cpio

ENTRIES = (
    cpio.folder("dev"),
    cpio.character_device("dev/console", 5, 1),
    cpio.program("init", b"#!/bin/sh\n"),
    cpio.plain("odd", b"12345"),
    cpio.link("sh", "busybox"),
)


def test_the_same_entries_give_the_same_bytes() -> None:
    assert cpio.archive(ENTRIES) == cpio.archive(ENTRIES)
    assert len(cpio.archive(ENTRIES)) % 4 == 0


def test_it_starts_with_the_magic_and_ends_with_the_trailer() -> None:
    data = cpio.archive(ENTRIES)
    assert data.startswith(b"070701")
    assert b"TRAILER!!!\0" in data[-16:]


@pytest.mark.real
def test_cpio_itself_lists_what_we_put_in() -> None:
    argv = ("cpio", "--list", "--verbose", "--numeric-uid-gid")
    done = subprocess.run(argv, input=cpio.archive(ENTRIES), capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == [
        "drwxr-xr-x",
        "crw-------",
        "-rwxr-xr-x",
        "-rw-r--r--",
        "lrwxrwxrwx",
    ]
    assert "5,   1" in lines[1]
    assert lines[4].endswith("sh -> busybox")
