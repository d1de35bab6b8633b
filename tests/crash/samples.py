"""Recorded crashes, and what people do to them before they arrive in a bug report."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from random import Random

DATA = Path(__file__).parent.parent / "data" / "backtraces"
OLD = tuple(sorted((DATA / "old").glob("*.txt")))
SHAPES = tuple(sorted((DATA / "shapes").glob("*.txt")))
BUILDS = tuple(sorted((DATA / "builds").glob("*.txt")))
"""The same daemon with eight bugs (source/daemon.c), built in eleven ways: bug-build.txt."""
POOL = tuple(sorted((DATA / "pool").glob("*.txt")))
"""Seventeen other bugs (source/pool.c), by build and setting of gdb: bug-build-setting.txt.

O2s is stripped of all names: what it says can be told apart, and not much more.
"""

_FRAME = re.compile(r"\s*#\d")


def bug_of(path: Path) -> str:
    return path.stem.split("-", 1)[0]


def wrapped(text: str, width: int = 72, indent: str = "    ") -> str:
    """As gdb and mail programs wrap: at spaces."""
    lines: list[str] = []
    for line in text.splitlines():
        whole = textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        lines += whole if _FRAME.match(line) and whole else [line]
    return "\n".join(lines)


def cut_by_terminal(text: str, width: int = 80) -> str:
    """As a terminal wraps: anywhere."""
    lines: list[str] = []
    for line in text.splitlines():
        lines += [line[at : at + width] for at in range(0, len(line), width)] or [""]
    return "\n".join(lines)


def quoted(text: str) -> str:
    return "\n".join("> " + line for line in text.splitlines())


def without_arguments(text: str) -> str:
    return re.sub(r"^(#\d+ .*?) \(.*\)( at | from |$)", r"\1 ()\2", text, flags=re.MULTILINE)


def without_places(text: str) -> str:
    return re.sub(r"^(#\d+ .*\)) at \S+:\d+$", r"\1", text, flags=re.MULTILINE)


def suffixed(text: str) -> str:
    """As other compilers call the pieces of functions."""
    random = Random(text)
    endings = ("", ".isra.0", ".constprop.1", ".part.3", ".cold", ".lto_priv.0")
    return re.sub(
        r"^(#\d+ +(?:0x\w+ in )?)(\w+)( \()",
        lambda found: found[1] + found[2] + random.choice(endings) + found[3],
        text,
        flags=re.MULTILINE,
    )


def moved(text: str) -> str:
    """Other addresses."""
    random = Random(text)
    return re.sub(r"0x[0-9a-f]{6,}", lambda _: f"0x{random.randrange(1 << 47):012x}", text)


def journaled(text: str) -> str:
    prefix = "Nov 23 01:02:03 host systemd-coredump[77]: "
    return "\n".join(prefix + line for line in text.splitlines())


def with_locals(text: str) -> str:
    """As ``bt full`` shows: variables between the frames, with hostile strings in them."""
    shown = '\\1\n        name = 0x5555 "#1 foo (bar)"\n        b = {c = "x (", d = 40 \'(\'}'
    return re.sub(r"^(#\d+ .*)$", shown + "\nNo locals.", text, flags=re.MULTILINE)


def paged(text: str) -> str:
    lines = text.splitlines()
    lines.insert(min(12, len(lines)), "---Type <return> to continue, or q <return> to quit---")
    return "\n".join(lines)


def other_way_round(text: str) -> str:
    """Threads in the opposite order."""
    first, *threads = re.split(r"\n(?=Thread \d+ \()", text)
    return "\n\n".join((first, *(thread.strip() for thread in reversed(threads))))


def signed_pointers(text: str) -> str:
    return re.sub(r"^(#\d+ +0x\w+) in", r"\1 [PAC] in", text, flags=re.MULTILINE)


TREATMENTS: dict[str, Callable[[str], str]] = {
    "wrapped": wrapped,
    "wrapped without indent": lambda text: wrapped(text, 80, ""),
    "cut by a terminal": cut_by_terminal,
    "quoted": quoted,
    "quoted and wrapped": lambda text: quoted(wrapped(text, 70)),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "double-spaced": lambda text: text.replace("\n", "\n\n"),
    "indented": lambda text: textwrap.indent(text, "    "),
    "no arguments": without_arguments,
    "no places": without_places,
    "suffixes": suffixed,
    "other addresses": moved,
    "from the journal": journaled,
    "bt full": with_locals,
    "paged": paged,
    "threads reversed": other_way_round,
    "signed pointers": signed_pointers,
}
