"""What the threads of a process that does nothing wait for."""

from __future__ import annotations

from dataclasses import dataclass

from ci.crash.chain import PLUMBING, unknown_in
from ci.crash.names import kinds_of
from ci.crash.trace import Frame, Thread

NAMED = 2  # functions named for each waiting thread
MOST_THREADS = 6
WAITING = frozenset({"lock_wait", "cond_wait", "io_wait"})
Waiter = tuple[str, ...]
UNNAMED: Waiter = ("unknown code",)


@dataclass(frozen=True)
class Waits:
    """The telling functions of the threads that wait, sorted; ``locks`` when for locks.

    Idle workers and event loops are not among them. Several threads at one place count once.
    """

    waiters: tuple[Waiter, ...]
    locks: bool
    unknown: tuple[str, ...] = ()

    @property
    def nameless(self) -> bool:
        """Whether nobody could name any function that waits."""
        return all(waiter == UNNAMED for waiter in self.waiters)

    def __str__(self) -> str:
        shown = [" < ".join(waiter[:NAMED]) for waiter in self.waiters[:MOST_THREADS]]
        return " | ".join(dict.fromkeys(shown)) or "nothing that waits for a lock"


def waits_of(threads: tuple[Thread, ...]) -> Waits | None:
    """Who waits, if the threads show a hang: lock waiters, else those who wait for an answer.

    None when no thread waits in a way that says something, and something runs.
    """
    for kind in ("lock_wait", "cond_wait", "io_wait"):
        found = {waiter for thread in threads if (waiter := _waiter(thread.frames, kind))}
        if found:
            return Waits(tuple(sorted(found)), kind == "lock_wait", _unknown(threads, kind))
    blocked = [thread for thread in threads if thread.frames and _kind(thread.frames)]
    return Waits((), locks=False) if blocked and len(threads) > 1 else None


def _waiter(frames: tuple[Frame, ...], wanted: str) -> Waiter:
    """The telling functions of a thread that waits in the wanted way."""
    if _kind(frames) != wanted:
        return ()
    skipped = PLUMBING | WAITING | {"loop", "root"}
    names = [frame.function for frame in frames if frame.function]
    told = tuple(dict.fromkeys(name for name in names if not kinds_of(name) & skipped))
    nameless = wanted == "lock_wait" and any(frame.offset for frame in frames)
    return told or (UNNAMED if nameless else ())


def _unknown(threads: tuple[Thread, ...], kind: str) -> tuple[str, ...]:
    waiting = [thread.frames for thread in threads if _kind(thread.frames) == kind]
    return tuple(sorted({place for frames in waiting for place in unknown_in(frames)[:1]}))


def _kind(frames: tuple[Frame, ...]) -> str:
    """How a thread waits: the most telling way among its innermost frames; empty when it runs."""
    kinds: set[str] = set()
    for frame in frames:
        own = kinds_of(frame.function)
        if frame.function and not own & (WAITING | PLUMBING):
            break
        kinds |= own
    if not kinds & WAITING:
        return ""
    return next(kind for kind in ("lock_wait", "cond_wait", "io_wait") if kind in kinds)
