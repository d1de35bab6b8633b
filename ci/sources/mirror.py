"""Copies of remote repositories, kept between runs, used by one process at a time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ci.cached import PARTIAL, locked, sweep
from ci.errors import InfraError
from ci.places import cache_folder
from ci.run import Step
from ci.sources.address import masked
from ci.sources.export import empty, remove

T = TypeVar("T")


class MirrorDamagedError(InfraError):
    """The copy that we keep cannot be used; the repository itself may be fine."""


def mirror_folder(kind: str, url: str) -> Path:
    """Where the copy of ``url`` lies; the end of the url is in the name, for people."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", masked(url).rstrip("/").rsplit("/", 1)[-1])
    return cache_folder(kind) / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name[:60]}"


def with_mirror(
    step: Step,
    kind: str,
    url: str,
    *,
    create: Callable[[Path], None],
    update: Callable[[Path], None],
    use: Callable[[Path], T],
) -> T:
    """What ``use`` makes of an up-to-date copy of ``url``, which nobody else touches meanwhile.

    A copy that turns out damaged is made anew, once.
    """
    folder = mirror_folder(kind, url)
    with locked(folder, step.deadline, say=step.say):
        try:
            _prepare(step, folder, url, create, update)
            return use(folder)
        except MirrorDamagedError as error:
            step.say(f"the kept copy of {masked(url)} is damaged, making it anew: {error.message}")
            remove(folder)
            _prepare(step, folder, url, create, update)
            return use(folder)


def _prepare(
    step: Step,
    folder: Path,
    url: str,
    create: Callable[[Path], None],
    update: Callable[[Path], None],
) -> None:
    if folder.is_dir():
        return update(folder)
    sweep(folder)
    step.say(f"copying {masked(url)} (kept for the next time)")
    partial = empty(folder.parent / f"{PARTIAL}{folder.name}-new")
    try:
        create(partial)
        partial.rename(folder)
    finally:
        remove(partial)
    return None
