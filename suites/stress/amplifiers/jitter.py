"""Stops single threads of a process at random: ``python -m suites.stress.amplifiers.jitter PID``.

SIGSTOP would stop the whole process; ptrace stops one thread while the others go on, which is what
opens the windows of races. Every thread runs on at the end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from random import Random

from suites.stress.amplifiers import ptrace
from suites.stress.amplifiers.on import say_on
from suites.stress.amplifiers.threads import running, threads

SHORTEST, LONGEST = 0.0005, 0.005
BETWEEN = 0.001
IDLE_TOO = 0.05


def main() -> None:
    pid, random = int(sys.argv[1]), Random("jitter")
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    if not hold(pid, 0.0):
        sys.exit(f"process {pid} cannot be traced: is it debugged by another one?")
    say_on()
    while (found := threads(pid)) and not asked:
        # a thread that runs may be in the middle of something; one that waits is not
        busy = [thread for thread in found if running(pid, thread)]
        if busy or random.random() < IDLE_TOO:
            hold(random.choice(busy or found), random.uniform(SHORTEST, LONGEST))
        time.sleep(random.uniform(0, BETWEEN))


def hold(thread: int, seconds: float) -> bool:
    """Stop a thread for a while; False when that is not possible (it ended, or is debugged)."""
    if not ptrace.seize(thread):
        return False
    try:
        if not ptrace.interrupt(thread):
            return False
        _, status = os.waitpid(thread, ptrace.WALL)
        if not os.WIFSTOPPED(status):
            return False
        time.sleep(seconds)
        # a signal that came first is handed on, or it would be lost
        return ptrace.proceed(thread, ptrace.DETACH, ptrace.signal_of(status))
    except ChildProcessError:
        return False


if __name__ == "__main__":
    main()
