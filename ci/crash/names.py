"""Function names without what compilers add, and the reviewed lists of those that tell nothing."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from ci.codec import decode, parse_toml, read_text
from ci.model import Record

LISTS = Path(__file__).parent / "names.toml"
_ADDED = re.compile(
    r"(?:\.(?:isra|constprop|part|cold|lto_priv|localalias|llvm|clone|ifunc|warm|hot|unlikely"
    r"|startup|exit)(?:\.?\d+)*|\.\d+| ?\[clone [^\]]*\]|@plt|@@?[A-Z][\w.]*)+$"
)


class SkipList(Record, frozen=True, kw_only=True):
    """Functions of one kind: regular expressions for whole names, and why they are skipped."""

    kind: str
    reason: str
    names: tuple[str, ...]


class Lists(Record, frozen=True, kw_only=True):
    """The file ``names.toml``."""

    skip: tuple[SkipList, ...]


def bare(name: str) -> str:
    """The name as the source has it; empty for one that the debugger did not know."""
    name = name.strip().lstrip("*")
    while (shorter := _ADDED.sub("", name)) != name and shorter:
        name = shorter
    name = re.sub(r"^_+GI_", "", name)
    return "" if name in ("??", "n/a", "<unknown>", "???", "") else name


@functools.cache
def _lists() -> dict[str, re.Pattern[str]]:
    text = read_text(LISTS)
    lists = decode(parse_toml(text, LISTS), Lists, source=str(LISTS), text=text)
    kinds: dict[str, list[str]] = {}
    for one in lists.skip:
        kinds.setdefault(one.kind, []).extend(one.names)
    return {kind: re.compile("|".join(names)) for kind, names in kinds.items()}


@functools.lru_cache(maxsize=65536)
def kinds_of(function: str) -> frozenset[str]:
    """The lists that a function is on: ``abort``, ``allocator``, ``loop`` ... (names.toml)."""
    stem = function.lstrip("_")
    return frozenset(kind for kind, names in _lists().items() if names.fullmatch(stem))
