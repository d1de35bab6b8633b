"""The name of a crash that survives a rebuild: assertion first, else signal and telling functions.

    libvirtd: assert fd == ev->fd in libxl_osevent_occurred_fd
    libvirtd: SIGSEGV in virDomainObjEndAPI < libxlDomainDestroyFlags < virDomainDestroy
    libvirtd: hang of libxlDomainCreateXML < virDomainCreateXML | libxlDomainEventHandler
    libvirtd: leak of file descriptors

Never an address, a build-id, a line, a pid or a thread's number.
"""

from __future__ import annotations

from dataclasses import dataclass

from ci.crash.chain import Chain, chain_of
from ci.crash.hang import Waits, waits_of
from ci.crash.program import program_of
from ci.crash.said import heap_message
from ci.crash.trace import Assertion, Frame, Trace

FRAMES_NAMED = 3
LONGEST_TEXT = 200
MEMORY_FAULTS = frozenset({"SIGSEGV", "SIGBUS"})


@dataclass(frozen=True)
class Seen:
    """A trace as it is compared with others: what is telling about it, and what is missing."""

    program: str
    program_said: bool
    signal: str
    fault: str
    heap: bool
    assertion: Assertion | None
    chain: Chain
    waits: Waits | None = None
    sent: bool = False
    message: str = ""

    @property
    def outside(self) -> bool:
        """Killed from outside: somebody sent the signal, or it came while waiting in the kernel."""
        return bool(self.signal) and (self.chain.blocked or self.sent)

    def __str__(self) -> str:
        return f"{self.program}: {self._what()}"

    def _what(self) -> str:
        if self.waits is not None:
            return f"hang of {self.waits}"
        if self.assertion is not None and self.assertion.text:
            function = self.assertion.function or self._first()
            return f"assert {_short(self.assertion.text)} in {function}"
        if self.assertion is not None:
            return f"assert in {self.assertion.function or self._functions()}"
        if self.outside:
            return f"{self.signal} from outside"
        return f"{self.fault or self.signal or 'crash'} in {self._functions()}"

    def _first(self) -> str:
        return self.chain.names[0] if self.chain.names else "unknown code"

    def _functions(self) -> str:
        if self.chain.names:
            return " < ".join(self.chain.names[:FRAMES_NAMED])
        libraries = " < ".join(self.chain.libraries[:FRAMES_NAMED])
        return f"unknown code of {libraries}" if libraries else "unknown code"


def seen(trace: Trace) -> Seen:
    """What a trace tells."""
    program, said = program_of(trace)
    chain = chain_of(trace.frames)
    dead = trace.signal or trace.fault or trace.assertion or trace.message or trace.dumped
    sent = bool(trace.signal) and (chain.blocked or trace.sent)
    waits = waits_of(trace.threads) if sent or not dead else None
    if waits is not None and dead and not waits.locks:
        waits = None
    return Seen(
        program=program,
        program_said=said,
        signal=trace.signal,
        fault=trace.fault,
        heap=bool(trace.message) or _in_allocator(trace),
        assertion=trace.assertion,
        chain=chain,
        waits=waits,
        sent=trace.sent,
        message="" if chain.own else trace.message or heap_told(trace.frames),
    )


def signature(trace: Trace) -> str:
    """The crash's name."""
    return str(seen(trace))


def leak_signature(program: str, quantity: str) -> str:
    """The name of a slow leak, by what rises: file descriptors, threads, memory."""
    return f"{program}: leak of {quantity}"


def heap_told(frames: tuple[Frame, ...]) -> str:
    """What the C library's own functions were told to say about the heap."""
    return next((told for f in frames[:10] if (told := heap_message(f.arguments))), "")


def _in_allocator(trace: Trace) -> bool:
    from_top = [frame.function.lstrip("_") for frame in trace.frames[:10]]
    return any(name.startswith(("malloc_printerr", "int_free", "libc_free")) for name in from_top)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."
