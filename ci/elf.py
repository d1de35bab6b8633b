"""What the first bytes of an ELF file tell: its GNU build-id; of a core, whose it is."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

HEAD_BYTES = 4096  # linkers put the note behind the program headers, well within the first page
CORE_HEAD_BYTES = 256 * 2**10  # a core has a header of 56 bytes for each mapping before its notes
_PT_NOTE = 4
_NT_GNU_BUILD_ID = 3
_NT_PRPSINFO = 3
_NAME_BYTES, _ARGUMENT_BYTES = 16, 80  # the end of a prpsinfo, whatever the architecture
_PID_BYTES = 16  # pid, ppid, pgrp, sid before them
_MOST_HEADERS = 512  # a real file has about a dozen; more is an attempt to keep us busy
_LONGEST_ID = 64


class _Layout(NamedTuple):
    """Where the fields of one ELF class are, in ``struct`` letters without the byte order."""

    header: tuple[int, str]  # e_phoff
    counts: tuple[int, str]  # e_phentsize, e_phnum
    segment: tuple[int, str]  # p_offset
    size: tuple[int, str]  # p_filesz
    least: int  # bytes of one program header


_LAYOUTS = {
    1: _Layout((28, "I"), (42, "HH"), (4, "I"), (16, "I"), 32),
    2: _Layout((32, "Q"), (54, "HH"), (8, "Q"), (32, "Q"), 56),
}


class _Note(NamedTuple):
    owner: bytes
    kind: int
    data: bytes
    order: str


def build_id(head: bytes) -> str:
    """The build-id in lower-case hex, or "" when there is none within ``head``.

    Whatever the bytes are (no ELF, cut short, made to mislead), the answer is "", never an error.
    """
    for note in _all_notes(head):
        is_id = note.kind == _NT_GNU_BUILD_ID and note.owner == b"GNU\0"
        if is_id and 0 < len(note.data) <= _LONGEST_ID:
            return note.data.hex()
    return ""


def process_of(head: bytes) -> tuple[str, int]:
    """Program and process that a core is of, as the kernel noted them; ("", 0) when it did not."""
    for note in _all_notes(head):
        at = len(note.data) - _ARGUMENT_BYTES - _NAME_BYTES
        if note.kind == _NT_PRPSINFO and note.owner == b"CORE\0" and at >= _PID_BYTES:
            (pid,) = struct.unpack_from(f"{note.order}i", note.data, at - _PID_BYTES)
            name = note.data[at : at + _NAME_BYTES].split(b"\0")[0]
            return name.decode(errors="replace"), pid
    return "", 0


def _all_notes(head: bytes) -> Iterator[_Note]:
    """Every whole note within ``head``."""
    if head[:4] != b"\x7fELF" or len(head) < 6:
        return
    layout = _LAYOUTS.get(head[4])
    order = {1: "<", 2: ">"}.get(head[5])
    if layout is None or order is None:
        return
    with suppress(struct.error):  # cut short: what came before is good
        for offset, size in _notes(head, layout, order):
            yield from _parsed(head[offset : offset + size], order)


def _notes(head: bytes, layout: _Layout, order: str) -> Iterator[tuple[int, int]]:
    (table,) = _read(head, layout.header, order)
    entry_size, count = _read(head, layout.counts, order)
    if entry_size < layout.least:
        return
    for index in range(min(count, _MOST_HEADERS)):
        at = table + index * entry_size
        if at + layout.least > len(head):
            return
        if _read(head, (at, "I"), order) == (_PT_NOTE,):
            (offset,) = _read(head, (at + layout.segment[0], layout.segment[1]), order)
            (size,) = _read(head, (at + layout.size[0], layout.size[1]), order)
            yield offset, size


def _parsed(notes: bytes, order: str) -> Iterator[_Note]:
    """Notes are (name size, data size, type), name and data each padded to four bytes."""
    at = 0
    while at + 12 <= len(notes):
        name_size, data_size, kind = struct.unpack_from(f"{order}III", notes, at)
        name_at = at + 12
        data_at = name_at + _padded(name_size)
        data = notes[data_at : data_at + data_size]
        if len(data) == data_size:
            yield _Note(notes[name_at : name_at + name_size], kind, data, order)
        at = data_at + _padded(data_size)


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _read(head: bytes, field: tuple[int, str], order: str) -> tuple[int, ...]:
    return struct.unpack_from(order + field[1], head, field[0])
