"""A trace while its lines come in, and what is made of it when they end."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from ci.crash.assertion import asserted_in
from ci.crash.frame import SIGNAL_HANDLER
from ci.crash.names import kinds_of
from ci.crash.trace import Assertion, Frame, Thread, Trace

Names = tuple[str, ...]


@dataclass
class Stack:
    """One printed stack: frames in the order of their numbers, each with whether it has a place."""

    frames: list[Frame] = field(default_factory=list)
    addressed: list[bool] = field(default_factory=list)

    def takes(self, number: int) -> bool:
        return not self.frames or number > self.frames[-1].number

    def names(self) -> Names:
        return tuple(frame.function for frame in self.frames)

    def finished(self) -> tuple[Frame, ...]:
        """gdb shows no address where the former frame was inlined into this one."""
        pairs = zip(self.frames[1:], self.addressed[1:], strict=True)  # the first never shows one
        if not any(shown for frame, shown in pairs if frame.function != SIGNAL_HANDLER):
            return tuple(self.frames)  # addresses were not asked for (set print address off)
        after = [*self.addressed[1:], True]
        return tuple(
            frame if shown else msgspec.structs.replace(frame, inlined=True)
            for frame, shown in zip(self.frames, after, strict=True)
        )


@dataclass
class ThreadDraft:
    id: str = ""
    lwp: str = ""
    name: str = ""
    runs: list[Stack] = field(default_factory=list)

    def stacks(self) -> list[Stack]:
        """The stacks printed for it that differ: the same one may be printed several times."""
        kept: list[Stack] = []
        for run in sorted(self.runs, key=lambda run: -len(run.frames)):
            if not any(_within(run.names(), other.names()) for other in kept):
                kept.append(run)
        return sorted(kept, key=self.runs.index)


@dataclass
class Draft:
    """A trace while its lines come in."""

    program: str = ""
    signal: str = ""
    fault: str = ""
    message: str = ""
    told: Assertion | None = None
    died: str = ""
    current: str = ""
    current_lwp: str = ""
    threads: list[ThreadDraft] = field(default_factory=list)
    side_story: bool = False
    sent: bool = False
    dumped: bool = False

    def has_frames(self) -> bool:
        return any(thread.runs for thread in self.threads)

    def says(self) -> bool:
        stopped = self.sent and self.signal == "SIGSTOP"  # where it stood tells nothing more
        return bool(self.has_frames() or self.told or self.fault or self.message or stopped)


def finish(draft: Draft) -> list[Trace]:
    threads = [thread for thread in draft.threads if thread.runs]
    if not threads:
        return [_trace(draft, (), -1)]
    first, *others = threads
    extra: list[Stack] = []
    if not others and not first.id:  # several stacks and nobody named a thread: several crashes
        first_stack, *extra = first.stacks()
        first = ThreadDraft(runs=[first_stack])
    done = _merged([first, *others])
    whole = tuple(_thread(thread) for thread in done)
    traces = [_trace(draft, whole, _died(draft, whole))]
    for run in extra:
        alone = (Thread(frames=run.finished()),)
        other = Draft(program=draft.program)
        traces.append(_trace(other, alone, _died(other, alone)))
    return traces


def _merged(threads: list[ThreadDraft]) -> list[ThreadDraft]:
    """A stack printed without a header is the one that a header names later on."""
    head, *rest = threads
    if head.id or not rest:
        return threads
    own = max(head.runs, key=lambda run: len(run.frames)).names()
    for thread in rest:
        if any(_within(own, run.names()) or _within(run.names(), own) for run in thread.runs):
            return [ThreadDraft(thread.id, thread.lwp, thread.name, [*head.runs, *thread.runs])] + [
                other for other in rest if other is not thread
            ]
    return threads


def _thread(thread: ThreadDraft) -> Thread:
    longest = max(thread.runs, key=lambda run: len(run.frames))
    return Thread(id=thread.id, name=thread.name, frames=longest.finished())


def _died(draft: Draft, threads: tuple[Thread, ...]) -> int:
    """The thread that died: the one that was named, that gave up, that was printed first."""
    for index, thread in enumerate(threads):
        if any(kinds_of(f.function) & {"abort", "assert"} for f in thread.frames[:8]) or any(
            frame.function == SIGNAL_HANDLER for frame in thread.frames
        ):
            return index
    if not (draft.signal or draft.fault or draft.dumped) and len(threads) > 1:
        return -1
    ids = [thread.id for thread in threads]
    switched = [
        one.id for one in draft.threads if draft.current_lwp and one.lwp == draft.current_lwp
    ]
    for wanted in (draft.died, *switched, "" if "" in ids else draft.current):
        if wanted and wanted in ids:
            return ids.index(wanted)
    if "" in ids:
        return ids.index("")
    return ids.index("1") if "1" in ids and draft.signal and _from_gdb(ids) else 0


def _from_gdb(ids: list[str]) -> bool:
    """gdb numbers threads from 1, and 1 is the one that died; others print that one first."""
    return all(int(word) <= len(ids) * 4 + 64 for word in ids if word.isdigit())


def _trace(draft: Draft, threads: tuple[Thread, ...], crashed: int) -> Trace:
    frames = threads[crashed].frames if crashed >= 0 else ()
    signal = draft.signal
    if not signal and not draft.fault and frames:
        signal = _signal_by_frames(frames)
    if not signal and (draft.told or draft.message) and not draft.fault:
        signal = "SIGABRT"
    return Trace(
        program=draft.program,
        signal=signal,
        fault=draft.fault,
        message=draft.message,
        sent=draft.sent,
        dumped=draft.dumped,
        assertion=_better(asserted_in(frames), draft.told),
        threads=threads,
        crashed=crashed,
    )


def _signal_by_frames(frames: tuple[Frame, ...]) -> str:
    gave_up = {"abort", "raise", "gsignal", "malloc_printerr", "libc_message"}
    named = {frame.function.lstrip("_") for frame in frames[:8]}
    return "SIGABRT" if named & gave_up or any("kill_impl" in name for name in named) else ""


def _better(in_frames: Assertion | None, told: Assertion | None) -> Assertion | None:
    """What was told before the end knows the text when the debugger does not."""
    if in_frames is None or (told is not None and not in_frames.text):
        return told if in_frames is not None or told is not None else None
    return in_frames


def _within(inner: Names, outer: Names) -> bool:
    """Whether one stack is a piece of the other."""
    return any(outer[at : at + len(inner)] == inner for at in range(len(outer) - len(inner) + 1))
