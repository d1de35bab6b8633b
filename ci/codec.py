"""Plain data to records and back, strictly; errors name file, line, key and the nearest spelling.

TOML comes in through ``parse_toml``; journals and caches are JSON. ``fingerprint`` is the cache key
of a record: the sha256 of its canonical JSON.
"""

from __future__ import annotations

import difflib
import enum
import hashlib
import re
import tomllib
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ci.errors import UsageError
from ci.toml_lines import line_of
from ci.type_words import in_words

T = TypeVar("T")
MOST_BYTES = 64 * 2**20  # of a file that people write
BYTE_ORDER_MARK = "\ufeff"


def to_json(record: Any) -> bytes:
    return msgspec.json.encode(record)


def from_json(data: bytes | str | msgspec.Raw, kind: type[T]) -> T:
    """Decode JSON we wrote ourselves. Raises msgspec.MsgspecError when it does not fit."""
    return msgspec.json.decode(data, type=kind)


def fingerprint(*records: Any) -> str:
    """A key that changes when any of the records does."""
    return hashlib.sha256(msgspec.json.encode(records, order="deterministic")).hexdigest()[:16]


def read_text(path: Path) -> str:
    """A text file of the user's, without the mark that some editors put in front.

    Raises UsageError when it cannot be read, is not UTF-8, or has no end (a device).
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode().removeprefix(BYTE_ORDER_MARK)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path}: has more than {MOST_BYTES // 2**20} MiB")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """Parse TOML; ``path`` is for messages. Raises UsageError with file, line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(_syntax_error(path, text, str(error))) from None
    except RecursionError:
        raise UsageError(f"{path}: is nested too deeply") from None


def decode(data: Any, kind: type[T], *, source: str, text: str = "") -> T:
    """Make a record of plain data; ``source`` and ``text`` are for messages.

    Raises UsageError: what is wrong, where (file, line, key), and the nearest spelling.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise UsageError(_explain(str(error), data, kind, source, text)) from None


def _syntax_error(path: Path, text: str, message: str) -> str:
    if found := re.search(r"\(at line (\d+), column (\d+)\)", message):
        what = message[: found.start()].strip()
        return f"{path}:{found[1]}:{found[2]}: not valid TOML: {what}"
    what = message.replace(" (at end of document)", "")
    return f"{path}:{len(text.splitlines()) or 1}: not valid TOML: {what} at the end of the file"


def _explain(message: str, data: Any, kind: Any, source: str, text: str) -> str:
    what, _, where = message.partition(" - at ")
    path = _path(where.strip("`"))
    if unknown := re.search(r"unknown field `(.+?)`", what):
        allowed = _keys(kind, data, path)
        path = (*path, unknown[1])
        what = f"unknown key{_nearest(unknown[1], allowed)}"
    elif missing := re.search(r"missing required field `(.+?)`", what):
        what = f'the key "{missing[1]}" is missing'
    elif choice := re.search(r"Invalid enum value (.+)$", what):
        what = _wrong_choice(choice[1].strip("'"), kind, data, path)
    elif invalid := re.search(r"Invalid value '(.+?)'$", what):
        what = _wrong_kind(invalid[1], kind, data, path)
    else:
        what = in_words(what)
    place = _dotted(path) or ("the whole file" if text else "")  # a command line has no file
    return ": ".join(filter(None, (f"{source}{_line(text, path)}", place, what)))


def _wrong_kind(value: str, kind: Any, data: Any, path: tuple[str | int, ...]) -> str:
    parent = path[:-1] if path and path[-1] == "kind" else path
    tags = _tags(_descend(kind, data, parent))
    return (
        f'"{value}" is no kind known here{_nearest(value, tags)}'
        if tags
        else (f'"{value}" is not valid here')
    )


def _wrong_choice(value: str, kind: Any, data: Any, path: tuple[str | int, ...]) -> str:
    return f'"{value}" is none of those known here{_nearest(value, _choices(kind, data, path))}'


def _choices(kind: Any, data: Any, path: tuple[str | int, ...]) -> tuple[str, ...]:
    """The words of a Literal or an enumeration, also where it is one member of a union."""
    found = _descend(kind, data, path)
    members = (found, *typing.get_args(found))
    words = [str(word.value) for member in members if _is_enum(member) for word in member]
    said = (word for member in members for word in typing.get_args(member))
    words += [word for word in said if isinstance(word, str)]
    return tuple(dict.fromkeys(words))


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _line(text: str, path: tuple[str | int, ...]) -> str:
    return f":{line_of(text, path)}" if text else ""


def _dotted(path: tuple[str | int, ...]) -> str:
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def _nearest(word: str, allowed: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(sorted(allowed))}" if allowed else ""


def _path(where: str) -> tuple[str | int, ...]:
    """msgspec writes ``$.hosts[0].port``; ``[...]`` stands for a key of a mapping."""
    parts = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", where)
    return tuple(int(index) if index else name for name, index in parts)


def _members(kind: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(kind)
    if origin is None or origin in (tuple, list, dict):
        return (kind,)
    return typing.get_args(kind)


def _structs(kind: Any) -> tuple[Any, ...]:
    return tuple(m for m in _members(kind) if hasattr(m, "__struct_fields__"))


def _tags(kind: Any) -> tuple[str, ...]:
    tags = (m.__struct_config__.tag for m in _structs(kind))
    return tuple(str(tag) for tag in tags if tag is not None)


def _chosen(kind: Any, data: Any) -> Any:
    """The member of a union that ``data`` names by its tag, or the only struct there is."""
    structs = _structs(kind)
    for struct in structs:
        config = struct.__struct_config__
        if isinstance(data, dict) and config.tag and data.get(config.tag_field) == config.tag:
            return struct
    return structs[0] if structs else kind


def _descend(kind: Any, data: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        if isinstance(part, int):
            inner = [a for m in _members(kind) for a in typing.get_args(m) if a is not Ellipsis]
            kind = inner[0] if inner else Any
            data = data[part] if isinstance(data, list) and part < len(data) else None
        else:
            struct = _chosen(kind, data)
            hints = typing.get_type_hints(struct) if hasattr(struct, "__struct_fields__") else {}
            kind = hints.get(part, Any)
            data = data.get(part) if isinstance(data, dict) else None
    return kind


def _keys(kind: Any, data: Any, path: tuple[str | int, ...]) -> tuple[str, ...]:
    for part in path:
        kind, data = _descend(kind, data, (part,)), _step(data, part)
    struct = _chosen(kind, data)
    return tuple(getattr(struct, "__struct_fields__", ()))


def _step(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None
