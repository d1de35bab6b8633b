"""Which program crashed: as somebody said it, else as its stacks show it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

from ci.codec import decode, parse_toml, read_text
from ci.crash.trace import Frame, Trace
from ci.model import Record

PROGRAMS = Path(__file__).parent / "programs.toml"
UNKNOWN = "unknown"
_QEMU = re.compile(r"qemu(-system-\w+|-kvm|-dm)?|kvm")
_POOL = re.compile(r"(?:prio-)?rpc-((?:lib)?vir\w*)")
_DAEMONS = ("libvirtd", "virtqemud", "virtxend", "virtnetworkd", "virtstoraged", "virtnodedevd")


class Program(Record, frozen=True, kw_only=True):
    """A program, the source files of its main(), and functions that no other program has."""

    name: str
    mains: tuple[str, ...]
    functions: tuple[str, ...]


class Programs(Record, frozen=True, kw_only=True):
    """The file ``programs.toml``."""

    program: tuple[Program, ...]


@functools.cache
def _known() -> tuple[tuple[str, frozenset[str], re.Pattern[str]], ...]:
    text = read_text(PROGRAMS)
    programs = decode(parse_toml(text, PROGRAMS), Programs, source=str(PROGRAMS), text=text)
    return tuple(
        (one.name, frozenset(one.mains), re.compile("|".join(one.functions)))
        for one in programs.program
    )


def program_of(trace: Trace) -> tuple[str, bool]:
    """The name, and whether somebody said so; ``unknown`` when nothing tells."""
    if trace.program:
        return plain_name(trace.program), True
    own = _guess(trace.frames)
    everywhere = own or _guess(frame for thread in trace.threads for frame in thread.frames)
    return everywhere or _main_thread(trace) or _by_thread(trace) or UNKNOWN, False


def _by_thread(trace: Trace) -> str:
    """Where a thread has a name that only threads of one program have."""
    names = (thread.name for thread in trace.threads)
    found = (plain_name(name) for name in names if _QEMU.fullmatch(name) or _POOL.fullmatch(name))
    return next((name for name in found if not _POOL.fullmatch(name)), "")


def _of_pool(name: str) -> str:
    """A worker of libvirt's daemons has its server's name: ``rpc-libvirtd``, cut at 15 letters."""
    found = _POOL.fullmatch(name)
    return next((one for one in _DAEMONS if found and one.startswith(found[1])), "")


def _main_thread(trace: Trace) -> str:
    """The first thread has its program's name, unless somebody renamed it."""
    for thread in trace.threads:
        if thread.name and any(frame.function == "main" for frame in thread.frames):
            return plain_name(thread.name)
    return ""


def plain_name(name: str) -> str:
    """One name for all builds of a program: no libtool prefix, no architecture of QEMU, and the
    program's own where somebody told that of its worker thread."""
    name = name.rsplit("/", 1)[-1].removeprefix("lt-")
    return "qemu" if _QEMU.fullmatch(name) else _of_pool(name) or name


def _guess(frames: Iterable[Frame]) -> str:
    seen = tuple(frames)
    mains = {frame.file.rsplit("/", 1)[-1] for frame in seen if frame.function == "main"}
    functions = {frame.function for frame in seen if frame.function}
    for name, files, _ in _known():
        if mains & files:
            return name
    for name, _, pattern in _known():
        if any(pattern.fullmatch(function) for function in functions):
            return name
    return ""
