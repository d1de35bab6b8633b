"""ptrace, as far as the knobs need it: single threads are stopped while the others run on.

Every thread runs on when the tracing process ends, whatever becomes of it.
"""

from __future__ import annotations

import ctypes
import os
import struct

DETACH, TO_NEXT_BRANCH, TO_NEXT_CALL, LISTEN = 17, 33, 24, 0x4208
SEIZE, INTERRUPT, SYSCALL_INFO = 0x4206, 0x4207, 0x420E
MARK_CALLS, FOLLOW_THREADS = 0x01, 0x08
WALL = 0x40000000  # wait for threads of others as well
CALL_MARK, EVENT_STOP = 0x80, 128
ENTRY, EXIT = 1, 2
_INFO = struct.Struct("=B3xIQQ7Q")  # what, architecture, two pointers, number and arguments
_RESULT = struct.Struct("=24xq")

_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_ptrace.restype = ctypes.c_long
_buffer = ctypes.create_string_buffer(_INFO.size)
_address = ctypes.addressof(_buffer)


def seize(thread: int, options: int = 0) -> bool:
    """Trace a thread without stopping it; False when it is gone, or another one traces it."""
    return not _ptrace(SEIZE, thread, None, options or None)


def interrupt(thread: int) -> bool:
    """Ask a running thread to stop."""
    return not _ptrace(INTERRUPT, thread, None, None)


def proceed(thread: int, how: int, signal: int = 0) -> bool:
    """Let a stopped thread go on as ``how`` says, and take a signal if it was given one."""
    return not _ptrace(how, thread, None, signal or None)


def call_of(thread: int) -> tuple[int, tuple[int, ...]]:
    """Where it stopped: ENTRY with number and arguments, EXIT with the result, or elsewhere."""
    if _ptrace(SYSCALL_INFO, thread, _INFO.size, _address) <= 0:
        return 0, ()
    what, _, _, _, *words = _INFO.unpack(_buffer.raw)
    return what, _RESULT.unpack_from(_buffer.raw) if what == EXIT else tuple(words)


def at_call(status: int) -> bool:
    """Whether it stopped for us at a system call."""
    return os.WSTOPSIG(status) == 5 | CALL_MARK


def signal_of(status: int) -> int:
    """The signal that a stop would deliver; 0 when it stopped for us."""
    return 0 if status >> 16 or at_call(status) else os.WSTOPSIG(status)
