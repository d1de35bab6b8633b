"""libvirt's logs, old and new, as records; lines are read one by one, so size does not matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from ci.model import Record

LEVELS = ("debug", "info", "warning", "error")
_STAMP = r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+)(?P<zone>[+-]\d{4})?: (?P<thread>\d+): "
_LINE = re.compile(
    _STAMP + r"(?P<level>debug|info|warning|error) : "
    r"(?:(?P<function>[A-Za-z_]\w*):(?P<line>\d+) : )?(?P<text>.*)", re.DOTALL
)  # fmt: skip
_QUICK = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+")
_DUMP_BEGINS = re.compile(r"\s*(?:====== start of log =====|Caught \w+|libvirtd\[?.*\bdump)")
_DUMP_ENDS = re.compile(r"\s*====== end of log =====")
LONGEST_TEXT = 8192
LONGEST_HEAD = 60
BLOCK_BYTES = 4 * 2**20
DUMP_MARKS = (b"====== start of log", b"====== end of log")
QUICK = {  # found by bytes.find, an order of magnitude quicker than by a regular expression
    "error": (b": error : ", *DUMP_MARKS),
    "warning": (b": error : ", b": warning : ", *DUMP_MARKS),
}
_NEXT = re.compile(rb"\n(?=\d{4}-\d\d-\d\d \d\d:|\s*={6} )")
_LAST = re.compile(rb"\n(?=\d{4}-\d\d-\d\d \d\d:)")


class LogLine(Record, frozen=True, kw_only=True):
    """One message. ``at`` is as written, in the daemon's zone; continued lines are in ``text``.

    ``dumped``: it comes from the dump that a dying daemon of 2012 wrote of its memory.
    """

    at: str
    thread: int
    level: str
    function: str = ""
    line: int = 0
    text: str = ""
    dumped: bool = False


def parse_log(lines: Iterable[str], *, least: str = "debug") -> Iterator[LogLine]:
    """Every message of at least the level ``least``, with the lines that belong to it."""
    wanted = frozenset(LEVELS[LEVELS.index(least) :])
    head: re.Match[str] | None = None
    more: list[str] = []
    size, dumped = 0, False
    for line in lines:
        if _QUICK.match(line):
            if head is not None:
                yield _record(head, more, dumped=dumped)
            head, more, size = _head(line, wanted), [], 0
        elif head is not None and size < LONGEST_TEXT:
            if _DUMP_BEGINS.match(line) or _DUMP_ENDS.match(line):
                yield _record(head, more, dumped=dumped)
                head, more = None, []
            else:
                more.append(line)
                size += len(line)
        if "====" in line or "aught" in line:
            dumped = (dumped or bool(_DUMP_BEGINS.match(line))) and not _DUMP_ENDS.match(line)
    if head is not None:
        yield _record(head, more, dumped=dumped)


def read_log(path: Path, *, least: str = "debug") -> Iterator[LogLine]:
    """The messages of a file, of any size, in constant memory. Raises OSError.

    Warnings and errors alone are found by searching for them, many times quicker than reading all.
    """
    if least not in QUICK:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            yield from parse_log(file, least=least)
        return
    with path.open("rb") as raw:
        state = _Dump()
        for block in _blocks(raw):
            for message in _search(block, QUICK[least], state):
                lines = message.decode(errors="replace").splitlines(keepends=True)
                for line in parse_log(lines, least=least):
                    yield msgspec.structs.replace(line, dumped=state.open)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Pieces of a file that end where a message does."""
    rest = b""
    while data := file.read(BLOCK_BYTES):
        block = rest + data
        cut = max((m.start() for m in _LAST.finditer(block, max(0, len(block) - 65536))), default=0)
        if not cut and len(block) < 8 * BLOCK_BYTES:
            rest = block
            continue
        cut = cut + 1 if cut else len(block)
        yield block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


@dataclass
class _Dump:
    """Whether the reader is within the dump of a dying daemon."""

    open: bool = False


def _search(block: bytes, wanted: tuple[bytes, ...], state: _Dump) -> Iterator[bytes]:
    """Messages that have what is wanted in their head."""
    end = 0
    for at, needle in sorted(_places(block, wanted)):
        if needle in DUMP_MARKS:
            state.open = needle == DUMP_MARKS[0]
            continue
        start = block.rfind(b"\n", 0, at) + 1
        if start < end or at - start > LONGEST_HEAD:
            continue
        after = _NEXT.search(block, at, at + LONGEST_TEXT)
        end = after.start() + 1 if after else min(len(block), at + LONGEST_TEXT)
        yield block[start:end]


def _places(block: bytes, needles: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
    for needle in needles:
        at = block.find(needle)
        while at >= 0:
            yield at, needle
            at = block.find(needle, at + 1)


def _head(line: str, wanted: frozenset[str]) -> re.Match[str] | None:
    """The parts of a first line; None when its level is of no interest."""
    level = line[24:60].partition(": ")[2].partition(": ")[2].partition(" ")[0]
    if level in LEVELS and level not in wanted:
        return None
    found = _LINE.match(line)
    return found if found is not None and found["level"] in wanted else None


def _record(head: re.Match[str], more: list[str], *, dumped: bool) -> LogLine:
    text = (head["text"] + "".join(more)).strip()
    return LogLine(
        at=head["at"] + (head["zone"] or ""),
        thread=int(head["thread"]),
        level=head["level"],
        function=head["function"] or "",
        line=int(head["line"] or 0),
        text=text[:LONGEST_TEXT],
        dumped=dumped,
    )
