"""Whether two names of crashes can be of one bug, where only the names are there to compare.

A function that was split, joined or inlined between two builds is missing in one of the names.
Where both name one at the same place it has to be the same. With the stacks ``group`` tells more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = re.compile(
    r"(?:(?P<program>[\w.+-]+): )?(?P<what>SIG[A-Z]+|[a-z][a-z-]+(?: [a-z-]+)*) in "
    r"(?P<chain>[A-Za-z_]\w*(?: < [A-Za-z_]\w*)*)"
)


def tells_of(text: str, name: str) -> bool:
    """Whether a text holds the name of a crash, or one that can be of the same bug."""
    if name in text:
        return True
    wanted = _NAME.fullmatch(name)
    if wanted is None:  # an assertion, a hang: those have to be named as they are
        return False
    return any(_alike(wanted, found) for found in _NAME.finditer(text))


def _alike(one: re.Match[str], other: re.Match[str]) -> bool:
    programs = {one["program"], other["program"]} - {None}
    same = len(programs) <= 1 and one["what"] == other["what"]
    return same and _overlay(one["chain"].split(" < "), other["chain"].split(" < "))


def _overlay(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether both are parts of one stack: at each place at most one has what the other lacks.

    Names end after a few functions, so that what is behind the last common one tells nothing.
    """
    left, right, common = list(one), list(other), 0
    while left and right:
        if left[0] == right[0]:
            left, right, common = left[1:], right[1:], common + 1
        elif right[0] in left:
            left = left[left.index(right[0]) :]
        elif left[0] in right:
            right = right[right.index(left[0]) :]
        else:
            return False
    return common > 0
