"""Whether two crashes are one bug: what compilers and strippers hide is allowed for, no more.

Between builds functions are inlined, called as tails, or unnamed for want of symbols. So one stack
may lack functions of the other, but where both name a function at the same place it has to be the
same one: another caller is another bug.
"""

from __future__ import annotations

import functools

from ci.crash.chain import Chain, Link
from ci.crash.program import UNKNOWN
from ci.crash.signature import FRAMES_NAMED, MEMORY_FAULTS, Seen
from ci.crash.trace import NULL_CALL

NEVER = 99.0
UNNAMED = 0.35  # a function of the one build that the other could not name
UNNAMED_INNERMOST = 1.06  # it may have been a jump to nowhere: all else has to fit
EXPLAINED = 0.25  # a function that the other build could not show
MIXED_UP = 0.6
UNEXPLAINED = 1.0  # at most one for which nothing speaks
LIMIT = 1.3
WINDOW = 8
HANG_OVERLAP = 0.5


def distance(one: Seen, other: Seen) -> float:
    """0 for the same name, more for less likely the same bug, ``NEVER`` for another one."""
    if not _same_program(one, other) or (one.assertion is None) != (other.assertion is None):
        return NEVER
    if one.waits is not None or other.waits is not None:
        return _hangs(one, other)
    if one.assertion is not None and other.assertion is not None:
        return _assertions(one, other)
    if not _same_kind(one, other) or one.outside != other.outside:
        return NEVER
    if not one.chain.own and not other.chain.own:
        return _nameless(one, other)
    return 0.0 if one.outside and other.outside else _chains(one.chain, other.chain)


def _same_program(one: Seen, other: Seen) -> bool:
    """A guess gives way to what somebody said."""
    if one.program == other.program or UNKNOWN in (one.program, other.program):
        return True
    daemons = {one.program, other.program}
    guessed = not (one.program_said and other.program_said)
    return guessed and all(name == "libvirtd" or name.startswith("virt") for name in daemons)


def _same_kind(one: Seen, other: Seen) -> bool:
    """The same signal, or two ways in which one damage to memory is noticed."""
    first, second = one.fault or one.signal, other.fault or other.signal
    if first == second or not first or not second:
        return True
    if "leak" in (first, second):
        return False
    return _memory(one) and _memory(other)


def _memory(seen: Seen) -> bool:
    return bool(seen.fault) or seen.signal in MEMORY_FAULTS or seen.heap


def _assertions(one: Seen, other: Seen) -> float:
    first, second = one.assertion, other.assertion
    assert first is not None
    assert second is not None
    if first.text and second.text:
        if _tight(first.text) != _tight(second.text):
            return NEVER
        if first.function and second.function:
            return 0.0 if first.function == second.function else NEVER
    elif first.function and second.function and first.function != second.function:
        return NEVER
    return _chains(one.chain, other.chain)


def _tight(text: str) -> str:
    """Without spaces: a paste may have been wrapped in the middle of the expression."""
    return "".join(text.split())


def _hangs(one: Seen, other: Seen) -> float:
    """Hangs with most of their waiting places in common: who else piles up is chance."""
    if one.waits is None or other.waits is None or one.waits.locks != other.waits.locks:
        return NEVER
    if one.waits.unknown != other.waits.unknown and one.waits.nameless and other.waits.nameless:
        return NEVER
    mine, theirs = list(one.waits.waiters), list(other.waits.waiters)
    if not mine or not theirs:
        return 0.0 if mine == theirs else NEVER
    shared = sum(any(_same_waiter(a, b) for b in theirs) for a in mine)
    fewer = min(len(mine), len(theirs))
    if fewer >= 2 and shared >= fewer:  # all of one are in the other: more have piled up since
        return 1 - fewer / max(len(mine), len(theirs))
    overlap = shared / max(len(mine), len(theirs))
    return 1 - overlap if overlap >= HANG_OVERLAP else NEVER


def _same_waiter(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """The same innermost function, or inner ones that one build does not show."""
    if one[0] == other[0]:
        return (
            one[1:2] == other[1:2]
            or bool(set(one[1:4]) & set(other[1:4]))
            or 1 in (len(one), len(other))
        )
    return one[:2] == other[1:3] or other[:2] == one[1:3]


def _nameless(one: Seen, other: Seen) -> float:
    """Stacks without a function of the program: only runs of one build can be known as one bug."""
    same = (
        one.signal == other.signal
        and one.fault == other.fault
        and one.message == other.message
        and one.chain.names == other.chain.names
        and one.chain.libraries == other.chain.libraries
    )
    if not same:
        return NEVER
    by_place = not one.chain.libraries  # the names of libraries tell enough
    return NEVER if by_place and one.chain.unknown != other.chain.unknown else 0.0


def _chains(one: Chain, other: Chain) -> float:
    """How far two stacks are from one another; ``NEVER`` beyond what builds can explain."""
    if not one.names or not other.names:
        return 0.0 if not one.names and not other.names else NEVER
    if one.names[:FRAMES_NAMED] == other.names[:FRAMES_NAMED]:
        return 0.0
    cost = _Alignment(one, other).cost()
    return cost if cost <= LIMIT else NEVER


class _Alignment:
    """The cheapest way to lay two stacks side by side, with functions missing in either."""

    def __init__(self, one: Chain, other: Chain) -> None:
        self.chains = (one, other)
        self.links = (one.links[:WINDOW], other.links[:WINDOW])
        self.names = min(
            FRAMES_NAMED, *(sum(bool(link.function) for link in side) for side in self.links)
        )

    def cost(self) -> float:
        return self._from(0, 0, 0, "match")

    @functools.cache  # noqa: B019 - an alignment lives for one comparison
    def _from(self, i: int, j: int, matched: int, last: str) -> float:
        one, other = self.links
        if matched >= FRAMES_NAMED:
            return 0.0
        if i == len(one) or j == len(other):
            return self._ended(i, j, matched)
        costs = [NEVER]
        if one[i].function == other[j].function != "":
            costs.append(self._from(i + 1, j + 1, matched + 1, "match"))
        elif not one[i].function or not other[j].function:
            unnamed = UNNAMED if i and j else UNNAMED_INNERMOST
            costs.append(unnamed + self._from(i + 1, j + 1, matched, "match"))
        if last != "other":
            costs.append(self._missing(0, i, j) + self._from(i + 1, j, matched, "one"))
        if last != "one":
            costs.append(self._missing(1, j, i) + self._from(i, j + 1, matched, "other"))
        return min(costs)

    def _ended(self, i: int, j: int, matched: int) -> float:
        """One stack has come to its end: was it cut off there, or is it known to end there?"""
        if matched == 0 or matched < min(2, self.names):
            return NEVER
        short = self.chains[0] if i == len(self.links[0]) else self.chains[1]
        rest = self.links[1][j:] if i == len(self.links[0]) else self.links[0][i:]
        left = [link for link in rest if link.function][: FRAMES_NAMED - matched]
        return sum(EXPLAINED if link.inlined else UNEXPLAINED for link in left) * short.whole

    def _missing(self, side: int, at: int, against: int) -> float:
        """The price of a function that only this side has."""
        own, others = self.links[side], self.links[1 - side]
        link, beside = own[at], others[against]
        if not link.function:
            return 0.0
        if against == 0 and link.function == NULL_CALL:
            return NEVER
        hidden = not beside.file  # without line information inlined functions are not shown
        if link.inlined:
            return EXPLAINED if hidden or against else EXPLAINED * 2
        one_file = bool(link.file) and _outer_file(own, at) == link.file
        if hidden:
            return EXPLAINED if one_file else UNEXPLAINED
        if against == 0:  # the very place of the crash: compilers mix up what they inline there
            return MIXED_UP if one_file else NEVER
        return UNEXPLAINED


def _outer_file(links: tuple[Link, ...], at: int) -> str:
    """The file of the next function out: only what is in one file, or a header, is inlined."""
    if links[at].file.endswith(".h"):
        return links[at].file
    return next((link.file for link in links[at + 1 :] if link.function), "")
