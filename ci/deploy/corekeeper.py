"""Keeps cores of this machine while a suite runs: of one name for all the last would be left."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.evidence import marked
from ci.deploy.localcores import MOST_CORES, cores_in, keep
from ci.deploy.localevidence import CORES, named
from ci.errors import VirtciError
from ci.model import Access
from ci.shell import LocalShell

POLL_SECONDS = 0.1
SETTLE_SECONDS = 0.05
KEEP_SECONDS = 60.0


@contextmanager
def keeping_cores(access: Access, evidence: Path) -> Iterator[None]:
    """While the block runs, new cores go into ``evidence``; nothing is done for hosts elsewhere.

    Needs the mark of the folder, which tells where cores lie and which are old.
    """
    mark = marked(evidence)
    if access.port or mark is None:
        yield
        return
    keeper = _Keeper(tuple(map(Path, mark.folders)), set(mark.cores), evidence / CORES)
    stop = threading.Event()
    thread = threading.Thread(target=keeper.work, args=(stop,), name="cores", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(KEEP_SECONDS)


class _Keeper:
    """Copies at once and packs at the end: the next crash may come while one is packed."""

    def __init__(self, folders: tuple[Path, ...], old: set[str], into: Path) -> None:
        self.folders = folders
        self.done = old
        self.into = into
        self.copies: list[Path] = []

    def work(self, stop: threading.Event) -> None:
        with tempfile.TemporaryDirectory(prefix=".cores-", dir=self.into.parent) as folder:
            while not stop.wait(POLL_SECONDS) and len(self.copies) < MOST_CORES:
                self.look(Path(folder))
            for copy in self.copies:
                with suppress(VirtciError, OSError):
                    keep(copy, self.into, LocalShell(), Deadline.after(KEEP_SECONDS))

    def look(self, folder: Path) -> None:
        """Copy what is new."""
        for number, (core, when) in enumerate(cores_in(self.folders).items()):
            if named(core, when) not in self.done:
                with suppress(OSError):
                    self._copy(core, when, folder / f"{when}.{number}")

    def _copy(self, core: Path, when: int, folder: Path) -> None:
        """One that changed meanwhile is not whole, or of two processes; it is looked at again."""
        folder.mkdir(exist_ok=True)
        copy_sparse(core, folder / core.name)
        time.sleep(SETTLE_SECONDS)
        if core.stat().st_mtime_ns == when:
            os.utime(folder / core.name, ns=(when, when))
            self.done.add(named(core, when))
            self.copies.append(folder / core.name)


def copy_sparse(source: Path, target: Path) -> None:
    """Copy what is there of a file that is mostly holes."""
    with source.open("rb") as file, target.open("wb") as copy:
        size, at = source.stat().st_size, 0
        with suppress(OSError):  # ENXIO: nothing but a hole is left
            while at < size:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                os.lseek(copy.fileno(), at, os.SEEK_SET)
                while at < end:  # a file that was cut meanwhile gives nothing
                    at += os.sendfile(copy.fileno(), file.fileno(), at, end - at) or end - at
        copy.truncate(size)
