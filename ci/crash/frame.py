"""One frame's line, as gdb, systemd-coredump, sanitizers, valgrind and eu-stack write it."""

from __future__ import annotations

import re

import msgspec

from ci.crash.names import bare
from ci.crash.trace import NULL_CALL, Frame

SIGNAL_HANDLER = "<signal handler called>"
KEPT_ARGUMENTS = 600
PAGE_DIGITS = 3  # programs are moved by whole pages
_HEAD = re.compile(
    r"#(?P<number>\d+)\s+(?:(?P<address>0x[0-9a-fA-F]+)(?=\s|$)\s*)?(?:\[PAC\]\s*)?(?:in\s+)?"
)
_MODULE = re.compile(r"^(?P<function>.*?)\s*\((?P<library>[^()]*?) ?\+ ?0x[0-9a-f]+\)")
_SANITIZER = re.compile(r"^(?P<function>.+?) (?P<file>/?[^\s():]+):(?P<line>\d+)(?::\d+)?$")
_PLACE = re.compile(r"\)\s*(?:\[.*?\]\s*)?at (?P<file>\S.*?):(?P<line>\d+)\s*$")
_LIBRARY = re.compile(r"\)\s*(?:from (?P<from>\S+)|at (?P<at>\S+\.so[\d.]*)$)")
_OWN = re.compile(r"(?P<library>/\S+?)\((?P<function>\w*)(?:\+0x[0-9a-f]+)?\) ?\[0x[0-9a-f]+\]$")
_VALGRIND = re.compile(
    r"==\d+==\s+(?:at|by) 0x[0-9A-Fa-f]+: (?P<function>.+?)"
    r"(?: \((?:in )?(?P<place>[^()]*)\))?\s*$"
)


def parse_frame(line: str) -> Frame | None:
    """The frame of a whole line that begins with its number; None for anything else."""
    head = _HEAD.match(line)
    if head is None:
        return None
    number, address = int(head["number"]), head["address"] or ""
    rest = line[head.end() :].strip()
    if SIGNAL_HANDLER in rest:
        return Frame(number=number, function=SIGNAL_HANDLER)
    if address and int(address, 16) == 0 and rest.startswith(("??", "n/a", "(<unknown", "()")):
        return Frame(number=number, function=NULL_CALL)
    if not rest:
        return Frame(number=number, offset=_offset(address)) if address else None
    frame = _module_frame(number, rest) or _called_frame(number, rest, addressed=bool(address))
    if frame is None or frame.function or not address:
        return frame
    return msgspec.structs.replace(frame, offset=_offset(address))


def _offset(address: str) -> str:
    return address[-PAGE_DIGITS:].lower().rjust(PAGE_DIGITS, "0")


def shows_address(line: str) -> bool:
    """gdb leaves the address out where the frame before it was inlined into this one."""
    head = _HEAD.match(line)
    return bool(head and head["address"])


def _called_frame(number: int, rest: str, *, addressed: bool) -> Frame | None:
    """``function (arguments) at file:line`` or ``from library``, as gdb writes it."""
    name, parenthesis, behind = f" {rest}".partition(" (")  # a function that has no name
    if not parenthesis:
        return _bare_frame(number, rest) if addressed else None  # else it is a list
    place, library = _PLACE.search(behind), _LIBRARY.search(behind)
    return Frame(
        number=number,
        function=bare(name),
        file=place["file"] if place else "",
        line=int(place["line"]) if place else 0,
        library=_base(library["from"] or library["at"]) if library else "",
        arguments=behind[:KEPT_ARGUMENTS] if '"' in behind or "sig" in behind else "",
    )


def _bare_frame(number: int, rest: str) -> Frame | None:
    """``function file:line`` of a sanitizer, or ``function`` of eu-stack."""
    if placed := _SANITIZER.match(rest):
        return Frame(
            number=number,
            function=bare(placed["function"]),
            file=placed["file"],
            line=int(placed["line"]),
        )
    word = rest.split(" ", 1)[0]
    return Frame(number=number, function=bare(word)) if re.match(r"[\w*@?.]+$", word) else None


def _module_frame(number: int, rest: str) -> Frame | None:
    """``function (library + 0x12)``: systemd-coredump and sanitizers."""
    found = _MODULE.match(rest)
    if found is None:
        return None
    library = _base(found["library"])
    if placed := _SANITIZER.match(found["function"]):  # clang's say both
        return Frame(
            number=number,
            function=bare(placed["function"]),
            file=placed["file"],
            line=int(placed["line"]),
            library=library,
        )
    return Frame(number=number, function=bare(found["function"]), library=library)


def parse_own_frame(line: str, number: int) -> Frame | None:
    """A line like ``/lib/libvirt.so.0(virFree+0x29)[0x7f3c]``, as backtrace(3) prints."""
    found = _OWN.match(line)
    if found is None:
        return None
    return Frame(number=number, function=bare(found["function"]), library=_base(found["library"]))


def parse_valgrind_frame(line: str, number: int) -> Frame | None:
    """A line like ``==12==    by 0x4C2: virFoo (virfoo.c:12)``."""
    found = _VALGRIND.match(line)
    if found is None:
        return None
    file, colon, row = (found["place"] or "").rpartition(":")
    placed = bool(colon) and row.isdigit()
    return Frame(
        number=number,
        function=bare(found["function"]),
        file=file if placed else "",
        line=int(row) if placed else 0,
        library="" if placed else _base(found["place"] or ""),
    )


def _base(path: str) -> str:
    """A library without its folder and version: the same in every build."""
    return re.sub(r"\.so[\d.]*$", ".so", path.strip().rsplit("/", 1)[-1])
