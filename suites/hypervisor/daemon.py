"""Which process serves a connection, whether it is still the same one, and where it stands."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import stat
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import VirtciError
from ci.shell import LocalShell

BACKTRACE_SECONDS = 30.0
TRACED_SECONDS = 0.2
SETTLE_SECONDS = 0.5  # from a debugger that lets go of a stopped process to its stop
REMOTE_SECONDS = 120.0  # an emulated host takes half a minute to write a core
SSH_FAILED = 255  # of ssh itself, not of what it was to run
NAMES = ("libvirtd", "virtqemud", "virtxend", "virtproxyd", "virtchd", "virtlxcd")


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon on this machine: pid and start time name it for ever; ``pidfd`` tells its end."""

    pid: int
    start: int
    pidfd: int

    def alive(self, *, wait_seconds: float = 0.0) -> bool:
        """Whether it still runs, after at most ``wait_seconds`` for its end."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(wait_seconds * 1000)

    def backtrace(self) -> str:
        """Where all its threads stand, by gdb; a sentence when gdb cannot tell.

        Who finds it traced by another one of us waits: both want to know.
        """
        argv = ("gdb", "-batch", "-nx", "-p", str(self.pid), "-ex", "thread apply all bt")
        deadline = Deadline.after(BACKTRACE_SECONDS)
        state = stopped_at_last(self.pid, deadline)  # looked at first: gdb stops it, too
        wait_untraced(self.pid, deadline)
        stacks, why = _said(argv, deadline)
        while "#0 " not in stacks and tracer(self.pid) and not deadline.expired():
            wait_untraced(self.pid, deadline)
            stacks, why = _said(argv, deadline)
        return state + (stacks or f"no backtrace of process {self.pid}: {why}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.pidfd)


@dataclass(slots=True)
class RemoteDaemon:
    """A daemon on another machine: ``probe`` is a command that prints what names its process.

    It is asked only when the connection broke, since asking costs a login.
    """

    probe: tuple[str, ...]
    identity: str
    where: tuple[str, ...] = ()  # prints the stacks of its threads

    @property
    def pid(self) -> str:
        return self.identity

    def alive(self, *, wait_seconds: float = 0.0) -> bool:
        if not wait_seconds:
            return True
        try:
            done = LocalShell().run(self.probe, Deadline.after(BACKTRACE_SECONDS))
        except VirtciError:
            return True
        if done.status == SSH_FAILED:  # nobody was asked, so nobody is accused
            return True
        return " ".join(done.stdout.split()[:2]) == self.identity

    def backtrace(self) -> str:
        return remote_backtrace(self.where)

    def close(self) -> None: ...


def remote_backtrace(where: tuple[str, ...]) -> str:
    """What a command prints of a daemon on another machine; a sentence when it cannot tell."""
    if not where:
        return "the daemon is on another machine, and nothing tells where it stands"
    stacks, why = _said(where, Deadline.after(REMOTE_SECONDS))
    return stacks or f"no backtrace of the daemon elsewhere: {why}"


def _said(argv: tuple[str, ...], deadline: Deadline) -> tuple[str, str]:
    """What a command prints, and why that is nothing: a call waits to be ended behind it."""
    try:
        done = LocalShell().run(argv, deadline)
    except VirtciError as error:
        return "", error.message
    return done.stdout, done.tail(3)


def ask(probe: tuple[str, ...]) -> str:
    """The pid and start time that the probe prints; empty when it cannot be run."""
    done = LocalShell().run(probe, Deadline.after(BACKTRACE_SECONDS))
    return " ".join(done.stdout.split()[:2]) if done.ok else ""


def stopped(pid: int) -> str:
    """A line that says so when somebody stopped the process; empty when it runs or is gone."""
    name, state = _state(pid)
    return f"process {pid} ({name}) is stopped: it was sent SIGSTOP\n" if state == "T" else ""


def _state(pid: int) -> tuple[str, str]:
    """The name of a process and the letter of its state, see proc(5); empty when it is gone."""
    with contextlib.suppress(OSError):
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        return name, rest.split()[0]
    return "", ""


def tracer(pid: int) -> int:
    """The process that traces this one; 0 when nobody does."""
    with contextlib.suppress(OSError):
        found = re.search(r"^TracerPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
        return int(found[1]) if found else 0
    return 0


def wait_untraced(pid: int, deadline: Deadline) -> None:
    """Wait until no debugger holds the process."""
    while tracer(pid) and not deadline.expired():
        time.sleep(TRACED_SECONDS)


def stopped_at_last(pid: int, deadline: Deadline) -> str:
    """As ``stopped``, once no debugger hides it.

    For a moment after one left, the process still stands where that had it stand, or runs.
    """
    until = time.monotonic() + SETTLE_SECONDS
    while not (said := stopped(pid)) and (state := _state(pid)[1]) and time.monotonic() < until:
        if deadline.expired():
            break
        if state == "t" or tracer(pid):
            until = time.monotonic() + SETTLE_SECONDS
        time.sleep(TRACED_SECONDS / 10)
    return said


def start_time(pid: int) -> int:
    """Clock ticks from boot to the start of a process. Raises OSError when there is none."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[19])


def identify(sockets: tuple[int, ...]) -> Daemon | None:
    """The daemon at the other end of a connection's sockets, if it runs on this machine."""
    for fd in sockets:
        pid = _peer(fd)
        if pid in (1, os.getpid()):  # service managers listen for the daemons that they start
            pid = _named() if pid == 1 else 0
        if pid:
            with contextlib.suppress(OSError):
                return Daemon(pid, start_time(pid), os.pidfd_open(pid))
    return None


def _peer(fd: int) -> int:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as peer:
        if peer.family == socket.AF_UNIX:
            data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", data)[0])
    return 0


def _named() -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text().strip() in NAMES:
                return int(folder.name)
    return 0


Sockets = frozenset[tuple[int, int]]


def open_sockets() -> Sockets:
    """The descriptors of this process that are sockets, each with its inode.

    A number alone does not tell a socket: one that is closed meanwhile leaves it to the next.
    """
    found = set()
    for path in tuple(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            about = path.stat()
            if stat.S_ISSOCK(about.st_mode):
                found.add((int(path.name), about.st_ino))
    return frozenset(found)


def fresh_sockets(before: Sockets) -> tuple[int, ...]:
    """Those that were not there before: of a connection that is made, or is being made."""
    return tuple(sorted(fd for fd, _ in open_sockets() - before))


def transports() -> frozenset[int]:
    """Our children that talk on a socket: each ``ssh`` that libvirt reaches a daemon by."""
    found = set()
    for pid in _children():
        with contextlib.suppress(OSError):  # one that has ended
            if Path(f"/proc/{pid}/fd/0").readlink().name.startswith("socket:"):
                found.add(pid)
    return frozenset(found)


def _children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def end_transports(pids: frozenset[int]) -> None:
    """End them: libvirt reads what they complain of to its end before it gives up a call."""
    for pid in pids & transports():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stands(daemon: Daemon | RemoteDaemon | None, where: tuple[str, ...] = ()) -> str:
    """Where a daemon stands, or what the command ``where`` prints of one that is not known yet."""
    if daemon is not None:
        return daemon.backtrace()
    return remote_backtrace(where) if where else "no daemon on this machine to look at"


def shut(sockets: tuple[int, ...]) -> None:
    """End whatever waits on these sockets. They stay open, so that nobody else gets the number."""
    for fd in sockets:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as end:
            end.shutdown(socket.SHUT_RDWR)
