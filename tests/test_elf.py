"""Build-ids from the first bytes of ELF files, honest and hostile."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.deadline import Deadline
from ci.elf import CORE_HEAD_BYTES, HEAD_BYTES, build_id, process_of
from ci.shell import LocalShell
from tests.crash.crashing import build_daemon, core_of

ID = bytes(range(20))


def note(order: str, kind: int = 3, name: bytes = b"GNU\0", data: bytes = ID) -> bytes:
    padded = name + b"\0" * (-len(name) % 4)
    body = data + b"\0" * (-len(data) % 4)
    return struct.pack(f"{order}III", len(name), len(data), kind) + padded + body


def elf(*, bits: int, order: str, notes: bytes, count: int = 1) -> bytes:
    """A file of one PT_NOTE segment, right behind the headers."""
    ident = b"\x7fELF" + bytes((bits // 32, 1 if order == "<" else 2, 1)) + b"\0" * 9
    if bits == 64:
        header = struct.pack(f"{order}HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
        entry = struct.pack(f"{order}IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), len(notes), 4)
    else:
        header = struct.pack(f"{order}HHIIIIIHHHHHH", 3, 3, 1, 0, 52, 0, 0, 52, 32, count, 0, 0, 0)
        entry = struct.pack(f"{order}IIIIIIII", 4, 84, 0, 0, len(notes), len(notes), 4, 4)
    return ident + header + entry + notes


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_class_and_byte_order_is_read(bits: int, order: str) -> None:
    assert build_id(elf(bits=bits, order=order, notes=note(order))) == ID.hex()


def test_the_build_id_is_found_behind_other_notes() -> None:
    notes = note("<", kind=5) + note("<", name=b"Linux\0") + note("<")
    assert build_id(elf(bits=64, order="<", notes=notes)) == ID.hex()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x7fELF",
        b"#!/bin/sh\n" * 50,
        b"\x7fELF\x03\x01" + b"\0" * 200,
        elf(bits=64, order="<", notes=note("<", data=b"")),
        elf(bits=64, order="<", notes=note("<"))[:-4],
        elf(bits=64, order="<", notes=struct.pack("<III", 2**32 - 1, 2**32 - 1, 3)),
        elf(bits=64, order="<", notes=b"", count=65535),
    ],
)
def test_what_has_no_build_id_gives_none_and_no_error(head: bytes) -> None:
    assert build_id(head) == ""


def prpsinfo(order: str, size: int, pid: int, name: bytes) -> bytes:
    """As the kernel writes it: pid and its kin, then the name, then the arguments, at the end."""
    numbers = struct.pack(f"{order}4i", pid, 1, pid, pid)
    end = numbers + name.ljust(16, b"\0") + b"/usr/sbin/x".ljust(80, b"\0")
    return b"\0" * (size - len(end)) + end


@pytest.mark.parametrize(("bits", "size"), [(64, 136), (32, 124), (32, 128)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_core_tells_its_program_and_process(bits: int, size: int, order: str) -> None:
    info = note(order, name=b"CORE\0", data=prpsinfo(order, size, 4711, b"qemu-system-x86"))
    notes = note(order, kind=1, name=b"CORE\0", data=b"\0" * 336) + info
    assert process_of(elf(bits=bits, order=order, notes=notes)) == ("qemu-system-x86", 4711)


@pytest.mark.parametrize("size", [0, 80, 96, 111])
def test_a_core_with_half_a_note_tells_nothing(size: int) -> None:
    notes = note("<", name=b"CORE\0", data=b"x" * size)
    assert process_of(elf(bits=64, order="<", notes=notes)) == ("", 0)
    assert process_of(elf(bits=64, order="<", notes=note("<"))) == ("", 0)


@pytest.mark.real
def test_a_real_core_tells_its_program_and_process(tmp_path: Path) -> None:
    core = core_of(build_daemon(tmp_path), "null", tmp_path / "a")
    name, pid = process_of(core.read_bytes()[:CORE_HEAD_BYTES])
    done = LocalShell().run(("readelf", "-n", str(core)), Deadline.after(60))
    assert name == "virtdaemon"
    assert pid > 1
    assert "PRPSINFO" in done.stdout


@given(st.binary(max_size=300), st.integers(0, 200))
def test_damage_anywhere_never_raises(noise: bytes, at: int) -> None:
    good = elf(bits=64, order="<", notes=note("<"))
    answer = build_id(good[:at] + noise + good[at + len(noise) :])
    assert isinstance(answer, str)


@pytest.mark.real
def test_readelf_agrees_about_a_real_program() -> None:
    program = Path(sys.executable).resolve()
    done = LocalShell().run(("readelf", "-n", str(program)), Deadline.after(60))
    assert done.ok, "readelf is needed: apt-get install binutils"
    assert f"Build ID: {build_id(program.read_bytes()[:HEAD_BYTES])}\n" in done.stdout
