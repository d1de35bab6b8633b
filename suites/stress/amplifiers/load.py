"""Keeps every processor busy: ``python -m suites.stress.amplifiers.load``."""

from __future__ import annotations

import os
import signal
import sys

from suites.stress.amplifiers.on import say_on


def main() -> None:
    parent = os.getpid()
    say_on()
    for _ in range((os.cpu_count() or 1) - 1):
        if os.fork() == 0:
            break
    else:
        signal.signal(signal.SIGTERM, lambda *_: _end_all())
    while os.getpid() == parent or os.getppid() == parent:
        sum(range(100_000))


def _end_all() -> None:
    sys.exit(0)  # the others see that their parent is gone


if __name__ == "__main__":
    main()
