"""Processes that a killed virtci left behind: found by the mark in their environment, and ended.

``kill -9`` of virtci ends neither rpmbuild nor what that has started; going on beside them would
have two writers in one folder. Their environment says which step they belong to.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from ci.deadline import Deadline, wait_until

VARIABLE = "VIRTCI_STEP"
GONE_SECONDS = 10.0


def end_leftovers(mark: str) -> int:
    """Kill every process that was started with ``mark``; return how many there were.

    Raises TimedOut when one does not go.
    """
    found = marked(mark)
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    if found:
        wait_until(
            "the end of what an interrupted run had left running",
            lambda: not marked(mark),
            Deadline.after(GONE_SECONDS),
            every=0.05,
        )
    return len(found)


def marked(mark: str) -> tuple[int, ...]:
    """The live processes whose environment has the mark."""
    wanted = f"{VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return tuple(pid for pid in found if pid != os.getpid())
