"""Which system calls tell, write or read what. By number: on x86-64 only."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

FUTEX = 202
FUTEX_WAKES = frozenset((1, 5, 10))  # what futex() can be asked: wake, wake-op, wake-bitset
FUTEX_WORDS = 0x7F
READS = frozenset((0, 17, 19, 45, 47))  # read, pread64, readv, recvfrom, recvmsg
WRITES = frozenset((1, 18, 20, 44, 46))  # write, pwrite64, writev, sendto, sendmsg
SYNCS = frozenset((74, 75))  # fsync, fdatasync
NAMES = frozenset((82, 83, 84, 87, 263, 316))  # rename, mkdir, rmdir, unlink, unlinkat, renameat2
POLLS = frozenset((7, 23, 232, 271, 281))  # poll, select, epoll_wait, ppoll, epoll_pwait
PROCESSOR = "x86_64"
_KINDS = (
    ("socket", re.compile(r"socket:")),
    ("wake", re.compile(r"pipe:|anon_inode:\[eventfd\]")),
    ("terminal", re.compile(r"/dev/(pts|tty|ptmx)")),
    ("file", re.compile(r"/(?!dev/|proc/|sys/)")),
)


def need_known() -> None:
    """Exits where the numbers are others."""
    if platform.machine() != PROCESSOR:
        sys.exit(f"the numbers of system calls on {platform.machine()} are not known")


def kind_of(pid: int, descriptor: int) -> str:
    """What a descriptor of a process is open on: socket, wake, terminal, file; or nothing known.

    ``wake`` are eventfds and pipes.
    """
    try:
        place = str(Path(f"/proc/{pid}/fd/{descriptor}").readlink())
    except OSError:
        return ""
    return next((kind for kind, pattern in _KINDS if pattern.match(place)), "")
