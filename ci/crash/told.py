"""A crash for people and for records: its name, who died, where, and what else was said."""

from __future__ import annotations

from ci.crash.chain import chain_of
from ci.crash.signature import seen
from ci.crash.trace import Thread, Trace
from ci.model import Record

FRAMES_SHOWN = 12


class Told(Record, frozen=True, kw_only=True):
    """What is known about a crash from its stacks."""

    signature: str
    program: str
    file: str = ""
    signal: str = ""
    fault: str = ""
    assertion: str = ""
    assertion_function: str = ""
    message: str = ""
    thread: str = ""
    threads: int = 0
    telling: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()
    waiters: tuple[str, ...] = ()

    def text(self) -> str:
        """As a page for people."""
        lines = [self.signature]
        facts = {
            "from": self.file,
            "signal": self.signal or self.fault,
            "assertion": self._asserted(),
            "message": self.message,
            "thread": f"{self.thread or 'unnamed'} of {self.threads}" if self.threads else "",
            "telling": " < ".join(self.telling),
        }
        lines += [f"  {name:<10} {value}" for name, value in facts.items() if value]
        lines += [f"  waits      {waiter}" for waiter in self.waiters]
        return "\n".join([*lines, *(f"    {frame}" for frame in self.stack)])

    def _asserted(self) -> str:
        where = f" in {self.assertion_function}" if self.assertion_function else ""
        return f"{self.assertion}{where}" if self.assertion else ""


def told(trace: Trace, file: str = "") -> Told:
    """The record of a trace; ``file`` is where it was read."""
    what = seen(trace)
    assertion = trace.assertion
    return Told(
        signature=str(what),
        program=what.program,
        file=file,
        signal=trace.signal,
        fault=trace.fault,
        assertion=assertion.text if assertion else "",
        assertion_function=assertion.function if assertion else "",
        message=trace.message,
        thread=_name(trace.threads[trace.crashed]) if trace.crashed >= 0 else "",
        threads=len(trace.threads),
        telling=chain_of(trace.frames).names[:6],
        stack=_stack(trace),
        waiters=tuple(" < ".join(one) for one in what.waits.waiters) if what.waits else (),
    )


def _name(thread: Thread) -> str:
    return " ".join(part for part in (thread.id, f'"{thread.name}"' * bool(thread.name)) if part)


def _stack(trace: Trace) -> tuple[str, ...]:
    lines = []
    for frame in trace.frames[:FRAMES_SHOWN]:
        place = f" at {frame.file}:{frame.line}" if frame.file else ""
        library = f" from {frame.library}" if frame.library else ""
        inlined = " (inlined)" if frame.inlined else ""
        lines.append(f"#{frame.number} {frame.function or '??'}{place}{library}{inlined}")
    if left := len(trace.frames) - FRAMES_SHOWN:
        lines += [f"... {left} more"] if left > 0 else []
    return tuple(lines)
