"""Puts all threads of a process on one processor: ``python -m suites.stress.amplifiers.pin PID``.

Everything is put back at the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from suites.stress.amplifiers.on import say_on
from suites.stress.amplifiers.threads import threads

LOOK_SECONDS = 0.2  # new threads come


def main() -> None:
    pid = int(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    before = os.sched_getaffinity(pid)
    try:
        pin(pid, {min(before)})
        say_on()
        while pin(pid, {min(before)}):
            time.sleep(LOOK_SECONDS)
    finally:
        pin(pid, before)


def pin(pid: int, processors: set[int]) -> int:
    """Pin every thread; how many there were."""
    found = threads(pid)
    for thread in found:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(thread, processors)
    return len(found)


if __name__ == "__main__":
    main()
