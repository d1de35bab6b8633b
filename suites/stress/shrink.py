"""Making a failing sequence short: leave out ever smaller parts while it still fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def shortest(sequence: tuple[T, ...], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """A subsequence that fails and of which no single element can be left out.

    That is delta debugging's "ddmin" (Zeller and Hildebrandt 2002). If ``sequence`` itself does
    not fail when it is tried again, it is given back as it is.
    """
    if not fails(sequence):
        return sequence
    size = len(sequence) // 2
    while size:
        start, shorter = 0, sequence
        while start < len(shorter):
            candidate = shorter[:start] + shorter[start + size :]
            if candidate and fails(candidate):
                shorter = candidate
            else:
                start += size
        if shorter == sequence or size > len(shorter):
            size //= 2
        sequence = shorter
    return sequence
