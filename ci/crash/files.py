"""Files that tell of crashes: pasted text, sanitizer logs, consoles, core dumps."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ci.crash.console import parse_panics
from ci.crash.core import is_core, trace_core
from ci.crash.debuginfo import sysroot_for
from ci.crash.kernel import exits
from ci.crash.packed import is_packed_core, unpacked
from ci.crash.text import parse_traces
from ci.crash.trace import Trace
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.shell import Shell

TEXT_BYTES = 64 * 2**20  # of a larger text what lies around telling words is read
BLOCK_BYTES = 8 * 2**20
AROUND_BYTES = 256 * 2**10
TELLING = (
    *(b"#0 ", b"signal SIG", b"killed by SIG", b"Assertion ", b"assertion failed", b"#0: 0x"),
    *(
        b"Panic on CPU",
        b"Xen BUG at",
        b"FATAL ",
        b"BUG: ",
        b"Oops: ",
        b"Kernel panic",
        b"Call Trace",
    ),
    *(b"Sanitizer", b"glibc detected", b"dumped core", b"Stack trace of", b"segfault at "),
    *(b"general protection", b"ANOM_ABEND", b"code=dumped", b"code=killed"),
    *(b"ERROR: AddressS", b"Invalid read of", b"Invalid write of", b"[<", b")[0x"),
)
ABRT = ("backtrace", "coredump", "core_backtrace")  # what of a problem's folder tells most, first


@dataclass(frozen=True)
class Found:
    """One crash and the file that told of it."""

    file: str
    trace: Trace


def crashes_in(path: Path, shell: Shell, deadline: Deadline) -> tuple[Found, ...]:
    """Every crash that a file tells of; none when it tells of none.

    Raises UsageError when it cannot be read, InfraError when a core needs gdb and there is none.
    """
    if path.is_dir():
        return _in_folder(path, shell, deadline)
    core = is_packed_core(path) or is_core(path)
    text = _read_core(path, shell, deadline) if core else read_telling(path)
    traces = parse_traces(text) or parse_panics(text) or parse_traces(exits(text))
    return tuple(Found(str(path), trace) for trace in traces)


def _read_core(path: Path, shell: Shell, deadline: Deadline) -> str:
    """With the files of this machine, as far as they are the ones that the process ran."""
    with tempfile.TemporaryDirectory(prefix="virtci-core-") as folder:
        packed = is_packed_core(path)
        core = unpacked(path, Path(folder), shell, deadline) if packed else path
        root = sysroot_for(core, None, Path(folder), shell, deadline)
        return trace_core(core, shell, deadline, sysroot=root.folder, executable=root.executable)


def _in_folder(folder: Path, shell: Shell, deadline: Deadline) -> tuple[Found, ...]:
    """A problem that ABRT keeps in a folder of its own."""
    name = next((name for name in ABRT if (folder / name).is_file()), "")
    if not name:
        raise UsageError(
            f"{folder} is a folder, and none of a problem that ABRT keeps",
            hint="name the files in it; of a host's evidence: virtci crash evidence FOLDER",
        )
    if name == "coredump":
        text = _read_core(folder / name, shell, deadline)
    else:
        kept = [f"{word}: {_word(folder / word)}" for word in ("executable", "reason")]
        kept = kept if name == "backtrace" else []
        text = "\n".join((*kept, read_telling(folder / name)))
    return tuple(Found(str(folder), trace) for trace in parse_traces(text))


def _word(path: Path) -> str:
    return read_telling(path).strip() if path.is_file() else ""


def read_telling(path: Path) -> str:
    """The text of a file; of one that is too large for that, what lies around telling words.

    Raises UsageError when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            data = file.read() if size <= TEXT_BYTES else b"\n".join(_windows(file))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return data.decode(errors="replace")


def _windows(file: BinaryIO) -> Iterator[bytes]:
    """Pieces of at most ``TEXT_BYTES`` altogether; what they cut at their ends is of no use."""
    left, rest, more = TEXT_BYTES, b"", True
    while left > 0 and (more or rest):
        data = file.read(BLOCK_BYTES)
        block, more = rest + data, bool(data)
        given = 0  # up to there it was given out
        rest = block[-AROUND_BYTES:] if more else b""
        for at in sorted({at for word in TELLING for at in _places(block, word)}):
            start, end = max(given, at - AROUND_BYTES), at + AROUND_BYTES
            if at < given:
                continue
            if end > len(block) and more:  # its end comes with the next block
                rest = block[start:]
                break
            given = min(end, len(block))
            left -= given - start
            yield block[start:given]
            rest = block[max(given, len(block) - AROUND_BYTES) :] if more else b""


def _places(block: bytes, word: bytes) -> Iterator[int]:
    """Where a word stands, once in each stretch that is given out as one piece."""
    at = block.find(word)
    while at >= 0:
        yield at
        at = block.find(word, at + AROUND_BYTES // 2)
