"""What hosts will need, made while source and build are still at work.

Nothing of it is a result: no host is booted, no lease is taken, nothing is journaled. It goes into
the cache or it does not; the hosts' own step makes what is missing, and tells why it cannot be.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Protocol, runtime_checkable

from ci.deadline import Deadline
from ci.errors import VirtciError
from ci.model import Outcome
from ci.run import Run
from ci.shell import Shell

STEP = "ahead"


@runtime_checkable
class Preparing(Protocol):
    """A kind of host that needs something which takes long and is this machine's own."""

    def prepare(self, shell: Shell, deadline: Deadline, *, say: Callable[[str], None]) -> None:
        """Make it, whole or not at all, unless it is there. Can be stopped at any moment."""


@contextmanager
def made_ahead(run: Run, hosts: Sequence[object], *, seconds: float) -> Iterator[None]:
    """Prepare the hosts of a run beside what is done within; what is unfinished then is left.

    Within means all of the run: when the build fails there will be no host, and when the run is
    stopped nobody waits.
    """
    wanted = [host for host in hosts if isinstance(host, Preparing)]
    left = threading.Event()
    deadline = Deadline.after(seconds, run.clock, left)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=STEP) as pool:
        made = pool.submit(_prepare, run, wanted, deadline)
        try:
            yield
        finally:
            left.set()
            with suppress(VirtciError):  # somebody else's step has told of it, or will
                made.result()


def _prepare(run: Run, hosts: Sequence[Preparing], deadline: Deadline) -> None:
    """One after the other: hosts of a kind need the same. People hear of it if it takes work."""
    began, said = run.clock.monotonic(), threading.Event()
    outcome = Outcome.SKIPPED

    def say(text: str) -> None:
        if not said.is_set():
            run.watcher.started(STEP)
            said.set()
        run.watcher.said(STEP, text)

    try:
        for host in hosts:
            host.prepare(run.shell, deadline, say=say)
        outcome = Outcome.PASSED
    finally:
        if said.is_set():
            run.watcher.ended(STEP, outcome, run.clock.monotonic() - began, again=True)
