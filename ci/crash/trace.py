"""A crash or hang as somebody's debugger told it: frames, threads, and what it died of."""

from __future__ import annotations

from ci.model import Record

NULL_CALL = "NULL"
"""The function of a frame whose program counter is zero: somebody called a NULL pointer."""


class Frame(Record, frozen=True, kw_only=True):
    """One frame. ``function`` is empty when the debugger did not know it.

    ``inlined``: the compiler put it into the next frame, so that builds without line information
    do not show it. ``arguments`` is kept where they tell of an assertion. ``offset`` is the place
    within its page of a frame without a name: all that is the same in two runs of one build.
    """

    number: int
    function: str = ""
    file: str = ""
    line: int = 0
    library: str = ""
    arguments: str = ""
    inlined: bool = False
    offset: str = ""


class Thread(Record, frozen=True, kw_only=True):
    """One thread, innermost frame first. ``id`` is the debugger's number or the kernel's."""

    id: str = ""
    name: str = ""
    frames: tuple[Frame, ...] = ()


class Assertion(Record, frozen=True, kw_only=True):
    """What was asserted, and in which function; either may be unknown (empty)."""

    text: str = ""
    function: str = ""


class Trace(Record, frozen=True, kw_only=True):
    """One crash or hang.

    ``program`` is the executable's name as somebody said it, empty when nobody did. ``signal`` is
    spelt SIGSEGV, empty when none was named; ``fault`` is what a sanitizer called it. ``crashed``
    is the index of the thread that died, -1 when none did. ``message`` is the C library's word.
    ``sent``: the signal came from a process (kill), not from what the program did. ``dumped``: it
    died, and nobody says of what.
    """

    program: str = ""
    signal: str = ""
    fault: str = ""
    message: str = ""
    sent: bool = False
    dumped: bool = False
    assertion: Assertion | None = None
    threads: tuple[Thread, ...] = ()
    crashed: int = -1

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Of the thread that died, or of the only one."""
        if self.crashed >= 0:
            return self.threads[self.crashed].frames
        return self.threads[0].frames if len(self.threads) == 1 else ()
