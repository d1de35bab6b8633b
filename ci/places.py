"""Folders of this user: what is cached between runs, and where runs lie."""

from __future__ import annotations

import os
from pathlib import Path

RUNS = Path("runs")


def cache_folder(*parts: str) -> Path:
    """A folder for things that can be made again: ``$XDG_CACHE_HOME/virtci/...``; it is created."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base, "virtci", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
