"""Debugger text to traces: any paste of gdb, coredumpctl, abrt, sanitizers, valgrind."""

from __future__ import annotations

from ci.crash.draft import Draft, Stack, ThreadDraft, finish
from ci.crash.foreign import DUMPED, in_gdbs_words
from ci.crash.frame import (
    SIGNAL_HANDLER,
    parse_frame,
    parse_own_frame,
    parse_valgrind_frame,
    shows_address,
)
from ci.crash.pasted import whole_lines
from ci.crash.said import (
    CURRENT,
    DEADLY,
    SIDE_STORY,
    STOPPED,
    SWITCHED,
    ThreadSaid,
    assertion_of,
    fault_of,
    heap_message,
    program_of,
    signal_of,
    signal_was_sent,
    thread_of,
)
from ci.crash.trace import Frame, Trace

COREDUMP = "Stack trace of thread"  # only systemd-coredump writes so, of a process that died
MOST_FRAMES = 10_000  # a recursion without end says nothing new behind that
MOST_THREADS = 2_000


class _Reader:
    """Lines in, traces out."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.draft = Draft()

    def line(self, line: str) -> None:
        if line.lstrip().startswith(("#", "==", "/")) and self._frame(line.strip()):
            return
        if SIDE_STORY.match(line):
            self.draft.side_story = True
            return
        if line == DUMPED:
            self.next()
            self.draft.dumped = True
            return
        if stopped := STOPPED.match(line.strip()):
            self._stopped(stopped["program"])
            return
        self._fault(line)
        self._signal(line)
        if found := SWITCHED.match(line.strip()):
            self.draft.current_lwp = found["lwp"]
        if (said := thread_of(line.strip())) is not None:
            self._thread(said, line.strip())
        if program := program_of(line):
            self._program(program)
        if (asserted := assertion_of(line)) is not None:
            self.draft.told = self.draft.told or asserted[0]
            self.draft.program = self.draft.program or asserted[1]
        self.draft.message = self.draft.message or heap_message(line)
        self.draft.sent = self.draft.sent or signal_was_sent(line, self.draft.signal)

    def _frame(self, line: str) -> bool:
        """Take a frame: gdb and its likes number and address it, others just list it."""
        if line.startswith("#"):
            frame = parse_frame(line)
            addressed = frame is not None and (
                frame.number == 0 or frame.function == SIGNAL_HANDLER or shows_address(line)
            )
        else:
            frame, addressed = self._listed(line), True
        if frame is not None and not self.draft.side_story:
            self._add(frame, addressed=addressed)
        return frame is not None

    def _listed(self, line: str) -> Frame | None:
        runs = self._open().runs
        after = runs[-1].frames[-1].number + 1 if runs else 0
        if line.startswith("=="):
            return parse_valgrind_frame(line, 0 if " at 0x" in line else after)
        return parse_own_frame(line, after)

    def _add(self, frame: Frame, *, addressed: bool) -> None:
        thread = self._open()
        if frame.number >= MOST_FRAMES:
            return
        if not thread.runs or (frame.number == 0):
            thread.runs.append(Stack())
        run = thread.runs[-1]
        if run.takes(frame.number):
            run.frames.append(frame)
            run.addressed.append(addressed)

    def _open(self) -> ThreadDraft:
        if not self.draft.threads:
            self.draft.threads.append(ThreadDraft())
        return self.draft.threads[-1]

    def _fault(self, line: str) -> None:
        fault = fault_of(line)
        if fault == "leak" == self.draft.fault and not self.draft.has_frames():
            return  # the first one behind the head of a report
        if fault is not None:
            program = self.draft.program
            self.next()
            self.draft.fault, self.draft.program = fault, program
            self.draft.signal = "" if fault else "SIGSEGV"

    def _signal(self, line: str) -> None:
        signal = signal_of(line)
        if not signal:
            return
        if self.draft.has_frames():
            program = self.draft.program
            self.next()
            self.draft.program = program
        self.draft.signal = signal if signal in DEADLY else ""

    def _stopped(self, program: str) -> None:
        """The daemon hangs since somebody stopped it; where it stands tells nothing."""
        self.next()
        self.draft = Draft(program=program, signal="SIGSTOP", sent=True)

    def _program(self, program: str) -> None:
        if self.draft.has_frames() and self.draft.program not in ("", program):
            self.next()
        self.draft.program = self.draft.program or program

    def _thread(self, said: ThreadSaid, line: str) -> None:
        """A thread's header. One met again under another kernel id belongs to another dump."""
        if said.died:
            self.draft.died = said.id
        if found := CURRENT.match(line):
            self.draft.current = found["id"]
        if line.startswith(COREDUMP) and not self.draft.signal:
            self.draft.dumped = True
        for known in self.draft.threads:
            if known.id == said.id and (not said.lwp or known.lwp in ("", said.lwp)):
                known.lwp, known.name = known.lwp or said.lwp, known.name or said.name
                self.draft.threads.remove(known)
                self.draft.threads.append(known)
                return
            if known.id == said.id:
                self.next()
                break
        if len(self.draft.threads) < MOST_THREADS:
            self.draft.threads.append(ThreadDraft(said.id, said.lwp, said.name))

    def next(self) -> None:
        """Finish a trace that says something, and begin another."""
        if self.draft.says():
            self.traces.extend(finish(self.draft))
            self.draft = Draft()
        elif not self.draft.signal:
            self.draft = Draft(program=self.draft.program)


def parse_traces(text: str) -> tuple[Trace, ...]:
    """Every crash or hang that a text shows, in its order; empty when it shows none."""
    reader = _Reader()
    for line in whole_lines(in_gdbs_words(text)):
        reader.line(line)
    reader.next()
    return tuple(reader.traces)
