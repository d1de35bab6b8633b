"""What of a folder of evidence came after the mark that was made before a suite."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.crash.files import TEXT_BYTES, read_telling
from ci.errors import UsageError
from ci.model import Mark

MARK = ".mark.json"
PACKED = (".gz", ".zst", ".xz", ".lz4")


def read_mark(evidence: Path) -> Mark | None:
    """The mark of a folder; None when it has none or one that says nothing."""
    try:
        return from_json((evidence / MARK).read_bytes(), Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def is_older(core: Path, mark: Mark | None) -> bool:
    """Whether a core was there before; packing it since has changed its name only."""
    return mark is not None and _plain(core.name) in {_plain(name) for name in mark.cores}


def newer(path: Path, evidence: Path, mark: Mark | None) -> str:
    """The text of a file from the mark on; all of it when the mark cannot be found in it."""
    if mark is None:
        return read_telling(path)
    skipped = _skipped(path, evidence, mark)
    text = read_telling(path) if not skipped else _from(path, skipped)
    last = mark.last.get(path.name, "")
    before, found, after = text.rpartition(last) if last else ("", "", text)
    return after if found else before + after


def _skipped(path: Path, evidence: Path, mark: Mark) -> int:
    """Bytes of a log that are old; 0 when it was turned over since, or only its end is here."""
    place = "/" + str(path.relative_to(evidence)).replace("var-log-", "var/log/", 1)
    old = mark.sizes.get(place, 0)
    return old if old <= path.stat().st_size else 0


def _from(path: Path, offset: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(offset, size - TEXT_BYTES))
            return file.read().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _plain(name: str) -> str:
    return name if not name.endswith(PACKED) else name.rpartition(".")[0]
