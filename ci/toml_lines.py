"""Where in a TOML text a key stands, for messages. tomllib does not tell."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(
    r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, path: Path) -> int:
    """The line (from 1) of the key at ``path``, or of its closest parent that has one."""
    places = _places(text)
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 1


def _places(text: str) -> dict[Path, int]:
    places: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    quotes = ""  # inside a multi-line string, its delimiter
    for number, line in enumerate(text.splitlines(), 1):
        if not quotes:
            if header := _HEADER.match(line):
                table = _enter(_parts(header[2]), counts, is_array=header[1] == "[[")
                _note(places, table, number)
            elif key := _KEY.match(line):
                _note(places, table + _parts(key[1]), number)
        quotes = _open_quotes(line, quotes)
    return places


def _note(places: dict[Path, int], path: Path, number: int) -> None:
    for length in range(1, len(path) + 1):
        places.setdefault(path[:length], number)


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _enter(names: Path, counts: dict[Path, int], *, is_array: bool) -> Path:
    """The full path of a table header, with the index of each array of tables on the way."""
    path: Path = ()
    for position, name in enumerate(names):
        path = (*path, name)
        if is_array and position == len(names) - 1:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _open_quotes(line: str, quotes: str) -> str:
    for delimiter in re.findall(r'"""|\'\'\'', line):
        if not quotes:
            quotes = delimiter
        elif quotes == delimiter:
            quotes = ""
    return quotes
