"""The telling functions of a stack: what is left without plumbing, with how sure that is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ci.crash.frame import SIGNAL_HANDLER
from ci.crash.names import kinds_of
from ci.crash.trace import NULL_CALL, Frame

UNKNOWN_KEPT = 3
PLUMBING = frozenset({"abort", "assert", "allocator", "libc", "sanitizer", "wrapper"})
_SYSTEM_LIBRARY = re.compile(
    r"(?:libc|libpthread|libglib-2\.0|ld-linux[\w-]*|libasan|libtsan|linux-vdso|libm|libdl)\b.*"
)


@dataclass(frozen=True)
class Link:
    """One telling function; empty for one or more frames that nobody could name.

    ``inlined``: a build may not show it. ``file``: where the debugger places it; empty when there
    was no line information, so that inlined functions above it could not be shown either.
    """

    function: str
    inlined: bool = False
    file: str = ""


@dataclass(frozen=True)
class Chain:
    """The telling functions, innermost first. ``whole`` when the stack was followed to its root.

    ``blocked``: the process was waiting in the kernel, so nothing it did can have killed it.
    ``own``: the links are the program's own functions, not just those of the C library at its end.
    ``unknown``: where the first frames without a name lie within their pages.
    """

    links: tuple[Link, ...]
    whole: bool
    blocked: bool
    libraries: tuple[str, ...] = ()
    own: bool = True
    unknown: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(link.function for link in self.links if link.function)


def chain_of(frames: tuple[Frame, ...]) -> Chain:
    """What a stack tells, from the place of the fault on."""
    frames = _below_handler(frames)
    known = [frame for frame in frames if frame.function]
    blocked = bool(known) and _waits(known[0])
    whole = any("root" in kinds_of(frame.function) for frame in frames)
    inner = _without_plumbing(frames)
    links = _squeezed([_link(frame) for frame in inner if _tells(frame, first=frame is inner[0])])
    own = any(link.function for link in links)
    if not own:
        links = _whatever_there_is(known)
    libraries = tuple(dict.fromkeys(f.library for f in inner if f.library and not _system(f)))
    return Chain(tuple(links), whole, blocked, libraries, own, unknown_in(inner))


def unknown_in(frames: tuple[Frame, ...]) -> tuple[str, ...]:
    """The places within their pages of the first frames that nobody could name."""
    return tuple(f.offset for f in frames if not f.function and f.offset)[:UNKNOWN_KEPT]


def _below_handler(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """A signal's handler and all it called say nothing about what the signal hit."""
    at = max((i for i, f in enumerate(frames) if f.function == SIGNAL_HANDLER), default=-1)
    return frames[at + 1 :]


def _waits(frame: Frame) -> bool:
    """Whether the innermost function can only wait. Locking a mutex can also fail."""
    kinds = kinds_of(frame.function)
    stem = frame.function.lstrip("_")
    if "io_wait" in kinds:
        return True
    return bool(re.match(r"lll_lock_wait|futex_|.*cond_(timed)?wait|do_futex_wait", stem))


def _without_plumbing(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    for at, frame in enumerate(frames):
        if not (kinds_of(frame.function) & PLUMBING or (not frame.function and _system(frame))):
            return frames[at:]
    return ()


def _tells(frame: Frame, *, first: bool) -> bool:
    kinds = kinds_of(frame.function)
    if first and not kinds & {"io_wait", "cond_wait", "root"}:
        return True
    if not frame.function:
        return not _system(frame)
    return not kinds and frame.function != NULL_CALL  # at the end it is a damaged stack


def _link(frame: Frame) -> Link:
    return Link(frame.function, frame.inlined, frame.file.rsplit("/", 1)[-1])


def _squeezed(links: list[Link]) -> list[Link]:
    """Recursion and rows of unknown frames count once."""
    return [
        link for at, link in enumerate(links) if at == 0 or links[at - 1].function != link.function
    ]


def _whatever_there_is(known: list[Frame]) -> list[Link]:
    """Nothing but plumbing: the first function that did not merely end the process."""
    for frame in known:
        kinds = kinds_of(frame.function)
        unsaid = kinds & {"abort", "assert", "sanitizer", "root", "loop"}
        if not unsaid and frame.function != NULL_CALL:
            return [_link(frame)]
    return []


def _system(frame: Frame) -> bool:
    return bool(_SYSTEM_LIBRARY.match(frame.library))
