"""Folders of this user: what is cached between runs, where runs lie, and where sockets are."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

RUNS = Path("runs")


def cache_folder(*parts: str) -> Path:
    """A folder for things that can be made again: ``$XDG_CACHE_HOME/virtci/...``; it is created."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base, "virtci", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def socket_folder() -> Path | None:
    """A folder for sockets that no other user can enter; None when somebody else has its name.

    The path of a socket has an end after some hundred letters, so it cannot lie beside a run.
    """
    folder = Path(tempfile.gettempdir(), f"virtci-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return folder if own and not found.st_mode & 0o077 else None
