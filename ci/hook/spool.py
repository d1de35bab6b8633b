"""Calls that were taken and not ordered yet, each a file: a kill of the hook loses none."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.hook.event import HookEvent
from ci.model import Record

MOST = 100


class Taken(Record, frozen=True, kw_only=True):
    """One call. ``id`` names it to the controller, so that it is ordered once."""

    id: str
    path: str
    event: HookEvent


class Spool:
    """A folder of calls, bounded; those of a former process are still in it."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self._folder, self._most = folder, most
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, path: str, event: HookEvent) -> bool:
        """Keep it durably; false when too much waits already."""
        if len(list(self._folder.glob("*.json"))) >= self._most:
            return False
        name = f"hook-{time.time_ns()}-{secrets.token_hex(4)}"
        part, whole = self._folder / f".{name}.part", self._folder / f"{name}.json"
        with part.open("wb") as file:
            file.write(to_json(Taken(id=name, path=path, event=event)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(whole)
        return True

    def first(self) -> Taken | None:
        """The oldest call; what is no such file is put aside."""
        for file in sorted(self._folder.glob("*.json")):
            try:
                return from_json(file.read_bytes(), Taken)
            except msgspec.MsgspecError:
                file.rename(file.with_suffix(".damaged"))
        return None

    def done(self, taken: Taken) -> None:
        (self._folder / f"{taken.id}.json").unlink(missing_ok=True)
