"""Errors in a log that are new: not in the last good run's log, and no known noise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ci.codec import decode, parse_toml, read_text
from ci.crash.logline import LogLine
from ci.model import Record

SHIPPED = Path(__file__).parent / "noise.toml"
_VARYING = (
    (re.compile(r"'[^']*'|\"[^\"]*\"|`[^']*'"), "'...'"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{12,}\b"), "N"),
    (re.compile(r"(?:/[\w.@+-]+)+"), "PATH"),
    (re.compile(r"\bid=\d+|\d+"), "N"),
)


class Noise(Record, frozen=True, kw_only=True):
    """A message that tells nothing, and why. ``function`` and ``text`` are regular expressions."""

    text: str
    reason: str
    function: str = r"\w*"

    def fits(self, line: LogLine) -> bool:
        return bool(re.fullmatch(self.function, line.function) and re.search(self.text, line.text))


class NoiseFile(Record, frozen=True, kw_only=True):
    """The file ``noise.toml``, and files of one's own like it."""

    noise: tuple[Noise, ...] = ()


class NewError(Record, frozen=True, kw_only=True):
    """An error or warning that the last good run did not have. ``first`` is its first line."""

    kind: str
    count: int
    first: LogLine


def read_noise(path: Path = SHIPPED) -> tuple[Noise, ...]:
    """Raises UsageError with file and line when it is not right."""
    text = read_text(path)
    return decode(parse_toml(text, path), NoiseFile, source=str(path), text=text).noise


def kind_of(line: LogLine) -> str:
    """The message without what varies: names, numbers, paths, identifiers, the line's number."""
    text = line.text.splitlines()[0] if line.text else ""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return f"{line.level}: {line.function}: {text}" if line.function else f"{line.level}: {text}"


def new_errors(
    log: Iterable[LogLine],
    good: Iterable[LogLine] = (),
    *,
    noise: tuple[Noise, ...],
    levels: frozenset[str] = frozenset({"error"}),
) -> tuple[NewError, ...]:
    """What ``log`` complains of that ``good`` did not, each kind once, in order."""
    known = {kind_of(line) for line in good if line.level in levels}
    found: dict[str, NewError] = {}
    for line in log:
        if line.level not in levels:
            continue
        kind = kind_of(line)
        before = found.get(kind)
        if before is not None:
            found[kind] = NewError(kind=kind, count=before.count + 1, first=before.first)
        elif kind not in known and not any(one.fits(line) for one in noise):
            found[kind] = NewError(kind=kind, count=1, first=line)
    return tuple(found.values())
