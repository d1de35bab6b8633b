"""Follows all threads of a process from system call to system call and holds single ones back.

What is held, where and for how long is the caller's rule. While a thread is held the others run on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from suites.stress.amplifiers import ptrace
from suites.stress.amplifiers.on import say_on
from suites.stress.amplifiers.threads import running, threads

LOOK_SECONDS = 0.5
STEP_SECONDS = 0.001  # a step that takes longer may wait for something in the kernel
QUIET_SECONDS = 0.001  # how often it is looked whether the others still run
OURS = frozenset((signal.SIGCHLD, signal.SIGTERM))


@dataclass(frozen=True)
class Call:
    """A system call that begins (``result`` is None) or has ended."""

    thread: int
    number: int
    arguments: tuple[int, ...]
    result: int | None


@dataclass(frozen=True)
class Hold:
    """Hold the thread for ``seconds``, after so many more ``steps`` (to its next branch).

    With ``while_others_run`` it may go on as soon as no other thread of the process runs.
    """

    seconds: float
    steps: int = 0
    while_others_run: bool = False


Rule = Callable[[Call], Hold | None]


class Tracer:
    """One process under ptrace. ``held`` are the threads that are held, and until when."""

    def __init__(self, pid: int, rule: Rule) -> None:
        self.pid = pid
        self.held: dict[int, float] = {}
        self._rule = rule
        self._inside: dict[int, tuple[int, ...]] = {}
        self._until_quiet: set[int] = set()
        self._stepping: set[int] = set()  # a step is under way that waits in the kernel

    def run(self) -> None:
        """Until SIGTERM comes or the process ends. Exits when it cannot be traced."""
        signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
        for thread in threads(self.pid):
            if ptrace.seize(thread, ptrace.MARK_CALLS | ptrace.FOLLOW_THREADS):
                ptrace.interrupt(thread)
            elif thread == self.pid:
                sys.exit(f"process {self.pid} cannot be traced: is it debugged by another one?")
        say_on()
        while self._wait() and self._take_news():
            self._release(time.monotonic())

    def _wait(self) -> bool:
        """For news or the end of a hold; False when we are asked to end."""
        until = min(self.held.values(), default=time.monotonic() + LOOK_SECONDS)
        left = min(until - time.monotonic(), QUIET_SECONDS if self._until_quiet else LOOK_SECONDS)
        came = signal.sigtimedwait(OURS, max(0.0, left))
        if came is None and self._until_quiet and not self._others_run():
            self.held.update(dict.fromkeys(self._until_quiet, 0.0))
        return came is None or came.si_signo != signal.SIGTERM

    def _others_run(self) -> bool:
        """Whether any thread is on a processor, or would be; held ones are not."""
        return any(running(self.pid, thread) for thread in threads(self.pid))

    def _take_news(self) -> bool:
        """Handle every thread that has stopped; False when there is none left."""
        try:
            while (news := os.waitpid(-1, os.WNOHANG | ptrace.WALL))[0]:
                self._stopped(*news)
        except ChildProcessError:
            return False
        return True

    def _release(self, now: float) -> None:
        for thread in [one for one, until in self.held.items() if until <= now]:
            del self.held[thread]
            self._until_quiet.discard(thread)
            ptrace.proceed(thread, ptrace.TO_NEXT_CALL)

    def _stopped(self, thread: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self.held.pop(thread, None)
            self._until_quiet.discard(thread)
            self._inside.pop(thread, None)
            self._stepping.discard(thread)
        elif ptrace.at_call(status):
            self._called(thread)
        elif status >> 16 == ptrace.EVENT_STOP and os.WSTOPSIG(status) != signal.SIGTRAP:
            ptrace.proceed(thread, ptrace.LISTEN)  # the whole process was stopped by somebody
        else:
            number = 0 if self._stepped(thread, status) else ptrace.signal_of(status)
            ptrace.proceed(thread, ptrace.TO_NEXT_CALL, number)

    def _stepped(self, thread: int, status: int) -> bool:
        """Whether this is the end of a step that had waited."""
        was = thread in self._stepping
        self._stepping.discard(thread)
        return was and status >> 8 == signal.SIGTRAP

    def _called(self, thread: int) -> None:
        where, words = ptrace.call_of(thread)
        if where == ptrace.ENTRY:
            self._inside[thread] = words
        number, *arguments = self._inside.get(thread, (-1,))
        result = words[0] if where == ptrace.EXIT else None
        hold = self._rule(Call(thread, number, tuple(arguments), result)) if where else None
        if hold is None:
            ptrace.proceed(thread, ptrace.TO_NEXT_CALL)
        elif self._step(thread, hold.steps):
            self.held[thread] = time.monotonic() + hold.seconds
            if hold.while_others_run:
                self._until_quiet.add(thread)

    def _step(self, thread: int, steps: int) -> bool:
        """Let it go some branches on while nobody else gets on; False when it waits or ends.

        The others stop at their next system call: their news is taken later.
        """
        for _ in range(steps):
            if not ptrace.proceed(thread, ptrace.TO_NEXT_BRANCH):
                return True  # this processor cannot: it is held where it is
            status = self._status_of(thread)
            if status is None:
                self._stepping.add(thread)
                return False
            if status >> 8 != signal.SIGTRAP:
                self._stopped(thread, status)
                return False
        return True

    def _status_of(self, thread: int) -> int | None:
        """How the step ended; None when the thread waits in the kernel."""
        while True:
            found, status = os.waitpid(thread, os.WNOHANG | ptrace.WALL)
            if found:
                return status
            came = signal.sigtimedwait((signal.SIGCHLD,), STEP_SECONDS)
            if came is None and not running(self.pid, thread):
                found, status = os.waitpid(thread, os.WNOHANG | ptrace.WALL)
                return status if found else None
