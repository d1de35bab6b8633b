"""The files of a run that a report links to; only names inside the run's folder are linked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from ci.model import Record

MOST_FILES = 300
LEFT_OUT = ("source", "build/rpmbuild", "report")  # trees with thousands of files, and ourselves
SECRET_SUFFIXES = (".key", ".pem", "known_hosts", "/ssh")


class Link(Record, frozen=True, kw_only=True):
    """A file relative to the run, as a link from ``report/``, with its size in bytes."""

    name: str
    href: str
    size: int


def link(folder: Path, name: str) -> Link | None:
    """A link to a file of the run; None when it is not there or lies outside of the run."""
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        if not inside or not path.is_file():
            return None
        size = path.stat().st_size
    except (OSError, ValueError):  # a hostile name: too long, a zero byte
        return None
    return Link(name=name, href=f"../{quote(name)}", size=size)


def evidence(folder: Path) -> tuple[list[Link], int]:
    """Links to the logs and other evidence of a run, and how many are left out."""
    names = sorted(_names(folder))
    found = (link(folder, name) for name in names[:MOST_FILES])
    return [one for one in found if one is not None], max(0, len(names) - MOST_FILES)


def _names(folder: Path) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        inside = os.path.relpath(here, folder)
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = [name for name in folders if f"{prefix}{name}" not in LEFT_OUT]
        for name in files:
            if not name.startswith(".") and not f"/{name}".endswith(SECRET_SUFFIXES):
                yield f"{prefix}{name}"
