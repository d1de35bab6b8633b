"""QEMU processes of ours: found by the pid file in their arguments, ended by pid, never by name."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from ci.deadline import Deadline, wait_until
from ci.errors import TimedOut

_PROGRAM = "qemu-system-"
_GRACE_SECONDS = 10.0


def running(pidfile: Path) -> tuple[int, ...]:
    """Pids of the QEMU processes that were started with this pid file."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return tuple(pid for pid in pids if is_ours(pid, pidfile))


def is_ours(pid: int, pidfile: Path) -> bool:
    """Whether the process is alive, a QEMU, and was started with this pid file."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return Path(arguments[0]).name.startswith(_PROGRAM) and str(pidfile) in arguments


def end(pidfile: Path, deadline: Deadline) -> int:
    """End every QEMU of this pid file, politely, then by force; return how many there were.

    Raises TimedOut when one outlives SIGKILL.
    """
    pids = running(pidfile)
    for pid in pids:
        _signal(pid, pidfile, signal.SIGTERM)
    for pid in pids:
        _await_end(pid, pidfile, deadline)
    return len(pids)


def _await_end(pid: int, pidfile: Path, deadline: Deadline) -> None:
    def gone() -> bool:
        return not is_ours(pid, pidfile)

    try:
        wait_until(f"the end of QEMU {pid}", gone, deadline.within(_GRACE_SECONDS), every=0.05)
    except TimedOut:
        _signal(pid, pidfile, signal.SIGKILL)
        wait_until(f"the end of the killed QEMU {pid}", gone, deadline, every=0.05)


def _signal(pid: int, pidfile: Path, number: signal.Signals) -> None:
    """A handle on the process first, then the check: the pid cannot change hands in between."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_ours(pid, pidfile):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
