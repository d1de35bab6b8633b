"""Nested hosts that stay up on their own, without a run: for ``virtci stress`` and ``tck`` by hand.

Each has a folder of its name in the cache, with what a run keeps in ``hosts/<name>/`` and a record
of how it was booted. They share a wire. What has ended by itself counts as gone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ci.cached import locked
from ci.codec import from_json, to_json
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.model import Access, Record
from ci.nested.boot import NestedHost
from ci.nested.wire import check_numbers
from ci.places import cache_folder
from ci.run import Step
from ci.shell import LocalShell
from ci.watcher import Silent

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_RECORD = "up.json"
Say = Callable[[str], None]


class Standing(Record, frozen=True, kw_only=True):
    """A host that was brought up, and how it is reached."""

    host: NestedHost
    access: Access


class _Told(Silent):
    """Progress goes to the one who waits for the host."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def said(self, step: str, text: str) -> None:
        self._say(text)


def folder_of(name: str) -> Path:
    """Where the files of the host called ``name`` are. Raises UsageError for no name of a host."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is not usable as the name of a host', hint="letters, digits, . _ and -"
        )
    return cache_folder("up") / name


def bring_up(host: NestedHost, deadline: Deadline, say: Say) -> Access:
    """The host of this name, booted unless it is up already; two at once boot it once.

    Raises UsageError when another one has its number on the wire, InfraError as booting does.
    """
    folder = folder_of(host.name)
    with locked(folder, deadline, say=say):
        if found := _standing(folder, deadline):
            say(f"{host.name} is up already, as it was asked for first; virtci hosts down ends it")
            return found.access
        others = (one.host for one in standing(deadline) if one.host.name != host.name)
        check_numbers((host.wire, *(other.wire for other in others)), "virtci hosts up")
        folder.mkdir(exist_ok=True)
        step = Step("up", LocalShell(), deadline, folder, folder.parent, _Told(say))
        access = host.acquire(step)
        (folder / _RECORD).write_bytes(to_json(Standing(host=host, access=access)))
        return access


def take_down(name: str, deadline: Deadline, say: Say) -> bool:
    """End the host and remove its files; False when there is none of this name."""
    folder = folder_of(name)
    with locked(folder, deadline, say=say):
        if not folder.is_dir():
            return False
        if kept := _kept(folder):
            kept.host.release(kept.access, deadline)
        shutil.rmtree(folder)
    return True


def standing(deadline: Deadline) -> Iterator[Standing]:
    """Those that are up, by name."""
    for folder in sorted(cache_folder("up").iterdir()):
        if found := _standing(folder, deadline):
            yield found


def names() -> tuple[str, ...]:
    """Of all that were brought up and not taken down, also of those that have ended since."""
    found = cache_folder("up").iterdir()
    return tuple(sorted(path.name for path in found if path.is_dir()))


def _standing(folder: Path, deadline: Deadline) -> Standing | None:
    kept = _kept(folder)
    return kept if kept and kept.host.still_up(kept.access, deadline) else None


def _kept(folder: Path) -> Standing | None:
    try:
        return from_json((folder / _RECORD).read_bytes(), Standing)
    except (FileNotFoundError, NotADirectoryError):
        return None
