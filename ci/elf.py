"""The GNU build-id of an ELF file, from its first bytes alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEAD_BYTES = 4096  # linkers put the note behind the program headers, well within the first page
_PT_NOTE = 4
_NT_GNU_BUILD_ID = 3
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


def build_id(head: bytes) -> str:
    """The build-id in lower-case hex, or "" when there is none within ``head``.

    Whatever the bytes are (no ELF, cut short, made to mislead), the answer is "", never an error.
    """
    if head[:4] != b"\x7fELF" or len(head) < 6:
        return ""
    layout = _LAYOUTS.get(head[4])
    order = {1: "<", 2: ">"}.get(head[5])
    if layout is None or order is None:
        return ""
    try:
        return next(_ids(head, layout, order), "")
    except struct.error:
        return ""


def _ids(head: bytes, layout: _Layout, order: str) -> Iterator[str]:
    for offset, size in _notes(head, layout, order):
        yield from _build_ids(head[offset : offset + size], order)


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


def _build_ids(notes: bytes, order: str) -> Iterator[str]:
    """Notes are (name size, data size, type), name and data each padded to four bytes."""
    at = 0
    while at + 12 <= len(notes):
        name_size, data_size, kind = struct.unpack_from(f"{order}III", notes, at)
        name_at = at + 12
        data_at = name_at + _padded(name_size)
        data = notes[data_at : data_at + data_size]
        is_id = kind == _NT_GNU_BUILD_ID and notes[name_at : name_at + name_size] == b"GNU\0"
        if is_id and 0 < data_size <= _LONGEST_ID and len(data) == data_size:
            yield data.hex()
        at = data_at + _padded(data_size)


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _read(head: bytes, field: tuple[int, str], order: str) -> tuple[int, ...]:
    return struct.unpack_from(order + field[1], head, field[0])
