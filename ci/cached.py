"""Things that are made once and kept: made in a temporary folder, under a lock, then renamed.

A folder with its final name is always whole. What an interrupted maker left behind has another
name, is never used, and is removed by the next maker.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ci.deadline import Deadline, wait_until

PARTIAL = ".partial-"


def made_once(
    folder: Path,
    make: Callable[[Path], None],
    deadline: Deadline,
    *,
    say: Callable[[str], None],
    remove: Callable[[Path], None] = shutil.rmtree,
) -> Path:
    """``folder``, filled by ``make(temporary folder)`` unless it is there already.

    Two makers at once: the second waits for the first. Raises TimedOut at the deadline and
    whatever ``make`` raises; then nothing is kept.
    """
    if folder.is_dir():
        return folder
    with locked(folder, deadline, say=say):
        if folder.is_dir():
            return folder
        sweep(folder, remove)
        partial = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{folder.name}-", dir=folder.parent))
        try:
            make(partial)
            partial.chmod(0o755)
            partial.rename(folder)
        finally:
            if partial.exists():
                remove(partial)
    return folder


@contextmanager
def locked(folder: Path, deadline: Deadline, *, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a cached folder; say so when somebody else holds it. Raises TimedOut."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        if not _take(lock):
            say(f"waiting for whoever is at work on {folder}")
            wait_until(f"the lock of {folder}", lambda: _take(lock), deadline, every=0.5)
        yield


def sweep(folder: Path, remove: Callable[[Path], None] = shutil.rmtree) -> None:
    """Remove what interrupted makers of ``folder`` left. Hold its lock."""
    for left in folder.parent.glob(f"{PARTIAL}{folder.name}-*"):
        remove(left)


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.utime(lock.fileno())
    return True
