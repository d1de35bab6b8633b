"""Calls that were taken already, so that none is taken twice, also after a restart."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

MOST = 100_000


class Seen:
    """A bounded memory of calls, kept in a file."""

    def __init__(self, path: Path, most: int = MOST) -> None:
        self._path, self._most = path, most
        self._lock = threading.Lock()
        lines = path.read_text(encoding="ascii").split() if path.is_file() else []
        self._keys = OrderedDict.fromkeys(lines[-most:])
        self._write_whole()

    def once(self, who: tuple[str, str], body: bytes, take: Callable[[], bool]) -> bool | None:
        """What ``take`` says of a new call, remembered when taken; None for an old one."""
        parts = (*(text.encode("utf-8", "replace") for text in who), body)
        key = hashlib.sha256(b"\0".join(parts)).hexdigest()
        with self._lock:
            if key in self._keys:
                return None
            if not take():
                return False
            self._remember(key)
        return True

    def _remember(self, key: str) -> None:
        self._keys[key] = None
        if len(self._keys) > self._most:
            self._keys.popitem(last=False)
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"{key}\n")
            file.flush()
            os.fdatasync(file.fileno())

    def _write_whole(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f".{self._path.name}.part")
        part.write_text("".join(f"{key}\n" for key in self._keys), encoding="ascii")
        part.replace(self._path)
