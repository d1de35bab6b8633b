"""Holds threads that have just told others of something, or have just been told.

    python -m suites.stress.amplifiers.stall PID

Races of daemons have their window there: a thread wakes another one and still works on what it has
told of (an unlock before the last use), or is woken and acts on what is no longer so. Such a thread
goes a random way on, while nobody else gets on, and is then held until the others have nothing more
to do.
"""

from __future__ import annotations

import sys
from random import Random

from suites.stress.amplifiers import calls
from suites.stress.amplifiers.tracer import Call, Hold, Tracer

LONGEST_SECONDS = 0.05
MOST_STEPS = 4000  # branches; half of the ways end within 64 of them
TELLS, WAKES, WOKEN = 0.9, 0.15, 0.05  # how often a thread is held that wrote, woke, was woken


class Stall:
    """The rule: one thread at a time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._random = Random(f"stall {pid}")
        self._loops: set[int] = set()  # threads that poll: what they write wakes themselves
        self.tracer = Tracer(pid, self.rule)

    def rule(self, call: Call) -> Hold | None:
        """At the end of a call that has told somebody, or that was waiting for news."""
        if call.result is None or call.result <= 0:
            return None
        if self._random.random() >= self._share(call) or self.tracer.held:
            return None
        steps = int(MOST_STEPS ** self._random.random()) - 1
        return Hold(LONGEST_SECONDS, steps, while_others_run=True)

    def _share(self, call: Call) -> float:
        """How often a thread is to be held here."""
        if call.number in calls.POLLS:
            self._loops.add(call.thread)
            return WOKEN
        if call.number == calls.FUTEX:
            return WAKES if call.arguments[1] & calls.FUTEX_WORDS in calls.FUTEX_WAKES else 0.0
        if call.number not in calls.WRITES or call.thread in self._loops:
            return 0.0
        return TELLS if calls.kind_of(self._pid, call.arguments[0]) == "wake" else 0.0


def main() -> None:
    calls.need_known()
    Stall(int(sys.argv[1])).tracer.run()


if __name__ == "__main__":
    main()
