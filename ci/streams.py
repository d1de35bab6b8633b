"""Standard input, output and error as a long run needs them, whoever started it and how.

Nobody may be listening any more (``| head``, a terminal that was closed), they may be closed
(``>&-``), and their encoding may not know every character. None of that may end a run.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

STANDARD = (0, 1, 2)
PRINTED = ("stdout", "stderr")


class _Unheard(io.FileIO):
    """A file that goes on taking what is written when nobody reads it any more.

    Another error, such as a full disk, is raised once: what is flushed at the very end would else
    be told a second time, as a traceback.
    """

    _told = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)
        except OSError:
            if self._told:
                return len(data)
            self._told = True
            raise


def settle() -> None:
    """Make the standard streams last. What is written to a full disk still fails."""
    _open_closed_ones()
    for number, name in enumerate(PRINTED, 1):
        stream = getattr(sys, name)
        if stream is None:
            stream = _text(number, "utf-8", line_buffering=False)
        elif _is_real(stream, number):
            stream.flush()
            stream = _text(number, stream.encoding, line_buffering=stream.line_buffering)
        else:
            continue  # somebody looks on: a test, an embedding program
        setattr(sys, name, stream)


def _text(number: int, encoding: str, *, line_buffering: bool) -> io.TextIOWrapper:
    raw = _Unheard(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
    )


def _open_closed_ones() -> None:
    """Else the next file we open, such as a journal, would be what our children print to."""
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(number, True)  # noqa: FBT003 - takes no name


def _is_real(stream: Any, number: int) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return bool(type(stream) is io.TextIOWrapper and stream.fileno() == number)
    return False
