"""Cores as hosts keep them: systemd-coredump's zst, lz4 and xz, our own gz."""

from __future__ import annotations

import gzip
import lzma
import shutil
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.shell import STATUS_NOT_FOUND, Shell

SECONDS = 120.0
ENDINGS = (".gz", ".xz", ".zst", ".lz4")
_PROGRAMS = {
    ".zst": ("zstd", "-d", "-q", "-f", "-o"),
    ".lz4": ("lz4", "-d", "-q", "-f"),
}


def is_packed_core(path: Path) -> bool:
    """By its name: what is inside shows only when it is unpacked."""
    return path.suffix in ENDINGS and "core" in path.name


def unpacked(path: Path, folder: Path, shell: Shell, deadline: Deadline) -> Path:
    """The core itself, in ``folder``. Raises UsageError when it is damaged, InfraError without
    the program that unpacks it."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.stem
    if path.suffix in _PROGRAMS:
        _by_program(path, target, shell, deadline)
        return target
    opener = gzip.open if path.suffix == ".gz" else lzma.open
    try:
        with opener(path) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UsageError(f"{path}: cannot be unpacked: {error}") from None
    return target


def _by_program(path: Path, target: Path, shell: Shell, deadline: Deadline) -> None:
    head, *options = _PROGRAMS[path.suffix]
    order = (str(target), str(path)) if path.suffix == ".zst" else (str(path), str(target))
    done = shell.run((head, *options, *order), deadline.within(SECONDS))
    if done.status == STATUS_NOT_FOUND:
        raise InfraError(f"{path} needs {head} to be unpacked", hint=f"apt-get install {head}")
    if not done.ok:
        raise UsageError(f"{path}: cannot be unpacked", detail=done.tail(3))
