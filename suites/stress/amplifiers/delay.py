"""Makes a process's disk or its sockets slow: ``... amplifiers.delay PID disk|sockets``.

The thread that asks is held: before it writes, after it has read. What waits meanwhile waits as it
would for a slow disk, or for a peer that is slow to answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random

from suites.stress.amplifiers import calls
from suites.stress.amplifiers.tracer import Call, Hold, Rule, Tracer

WRITE_SECONDS, SYNC_SECONDS = 0.005, 0.03  # what a disk takes that others keep busy
LINE_SECONDS = 0.01
LATE = 0.3  # how often a line is slow
LINES = frozenset(("socket", "terminal"))


def disk(pid: int, random: Random) -> Rule:
    """Writes to files, renames and removals take their time; syncs take longer."""

    def rule(call: Call) -> Hold | None:
        if call.result is not None:
            return None
        if call.number in calls.SYNCS:
            return Hold(random.uniform(0, 2 * SYNC_SECONDS))
        writes = call.number in calls.WRITES and calls.kind_of(pid, call.arguments[0]) == "file"
        slow = writes or call.number in calls.NAMES
        return Hold(random.uniform(0, 2 * WRITE_SECONDS)) if slow else None

    return rule


def sockets(pid: int, random: Random) -> Rule:
    """What goes over sockets and consoles goes late, or comes late, at times."""

    def rule(call: Call) -> Hold | None:
        comes = call.number in calls.READS and call.result is not None and call.result > 0
        goes = call.number in calls.WRITES and call.result is None
        if not (comes or goes) or random.random() >= LATE:
            return None
        if calls.kind_of(pid, call.arguments[0]) not in LINES:
            return None
        return Hold(random.uniform(0, 2 * LINE_SECONDS))

    return rule


RULES: dict[str, Callable[[int, Random], Rule]] = {"disk": disk, "sockets": sockets}


def main() -> None:
    calls.need_known()
    pid, what = int(sys.argv[1]), sys.argv[2]
    Tracer(pid, RULES[what](pid, Random(what))).run()


if __name__ == "__main__":
    main()
