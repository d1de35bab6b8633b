"""Crashes that are one bug, together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ci.crash.alike import LIMIT, distance
from ci.crash.signature import FRAMES_NAMED, Seen, seen
from ci.crash.trace import Trace

APART = 3.0  # what another bug counts for in an average


@dataclass
class Group:
    """Crashes of one bug, richest first until sorted; ``members`` index what was grouped."""

    richest: Seen
    members: list[int] = field(default_factory=list)

    @property
    def signature(self) -> str:
        return str(self.richest)


def group(traces: Sequence[Trace]) -> tuple[Group, ...]:
    """Every trace in one group, in the order in which they are first met.

    Rich traces found the groups, by average linkage: one stack that resembles two bugs does not
    join them. Poor ones (cut off, without symbols) then go to the nearest group.
    """
    alike = _identical([seen(trace) for trace in traces])
    rich = [one for one in alike if not _poor(one.richest)]
    groups = _linked(rich)
    for one in alike:
        if _poor(one.richest):
            _assign(one, groups)
    done = [_joined(cluster) for cluster in groups]
    return tuple(sorted(done, key=lambda one: one.members[0]))


def _identical(everything: Sequence[Seen]) -> list[Group]:
    """Traces that say the same, so that each is compared once; those that say most first."""
    found: dict[Seen, Group] = {}
    for index, what in enumerate(everything):
        found.setdefault(what, Group(what)).members.append(index)
    return sorted(found.values(), key=lambda one: (_poorness(one.richest), one.members[0]))


def _linked(alike: list[Group]) -> list[list[Group]]:
    """Average linkage: the nearest two clusters are joined while they are near enough."""
    clusters = [[one] for one in alike]
    near = [[_capped(one, other) for other in alike] for one in alike]
    while True:
        best, pair = LIMIT + 1e-9, (-1, -1)
        for i, row in enumerate(near):
            for j in range(i):
                if row[j] < best:
                    best, pair = row[j], (j, i)
        if pair == (-1, -1):
            return clusters
        _join(clusters, near, *pair)


def _join(clusters: list[list[Group]], near: list[list[float]], into: int, other: int) -> None:
    mine, theirs = len(clusters[into]), len(clusters[other])
    for k in range(len(clusters)):
        mean = (near[into][k] * mine + near[other][k] * theirs) / (mine + theirs)
        near[into][k] = near[k][into] = mean
    clusters[into] += clusters.pop(other)
    near.pop(other)
    for row in near:
        row.pop(other)


def _assign(one: Group, groups: list[list[Group]]) -> None:
    nearest = min(
        groups, key=lambda cluster: min(_capped(one, other) for other in cluster), default=None
    )
    if nearest is None or min(_capped(one, other) for other in nearest) > LIMIT:
        groups.append([one])
    else:
        nearest.append(one)


def _joined(cluster: list[Group]) -> Group:
    richest = min(cluster, key=lambda one: (_poorness(one.richest), one.members[0]))
    return Group(richest.richest, sorted(m for one in cluster for m in one.members))


def _capped(one: Group, other: Group) -> float:
    return 0.0 if one is other else min(APART, distance(one.richest, other.richest))


def _poor(what: Seen) -> bool:
    """Too little to found a group while others can: unnamed functions or few of them."""
    if what.waits is not None or (what.assertion is not None and what.assertion.text):
        return False
    first = what.chain.links[:FRAMES_NAMED]
    cut_off = len(first) < FRAMES_NAMED and not what.chain.whole
    return cut_off or any(not link.function for link in first)


def _poorness(what: Seen) -> tuple[int, ...]:
    """Less first: assertion known, functions named, program and signal said, places, length."""
    links = what.chain.links[:FRAMES_NAMED]
    known = what.assertion is not None and bool(what.assertion.text)
    return (
        not (known or what.waits),
        any(not link.function for link in links),
        what.program == "unknown",
        not (what.signal or what.fault),
        not what.program_said,
        -sum(bool(link.file) for link in links),
        -min(len(what.chain.names), FRAMES_NAMED + 1),
    )
