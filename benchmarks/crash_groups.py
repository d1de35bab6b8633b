"""Precision and recall of grouping, by pairs: ``python -m benchmarks.crash_groups``.

Eight bugs in eleven builds, each as it is and after every treatment of ``tests/crash/samples.py``.
"""

from __future__ import annotations

import itertools
import time

from ci.crash.group import group
from ci.crash.text import parse_traces
from ci.crash.trace import Trace
from tests.crash.samples import BUILDS, TREATMENTS, bug_of


def crashes() -> list[tuple[str, Trace]]:
    """The bug and the trace of every text."""
    found = []
    for path in BUILDS:
        text = path.read_text()
        for treat in (lambda same: same, *TREATMENTS.values()):
            found += [(bug_of(path), trace) for trace in parse_traces(treat(text))]
    return found


def main() -> None:
    began = time.perf_counter()
    found = crashes()
    read = time.perf_counter()
    groups = group([trace for _, trace in found])
    done = time.perf_counter()
    of = {member: number for number, one in enumerate(groups) for member in one.members}
    together = right = same = 0
    for a, b in itertools.combinations(range(len(found)), 2):
        joined, one_bug = of[a] == of[b], found[a][0] == found[b][0]
        together += joined
        same += one_bug
        right += joined and one_bug
    bugs = len({bug for bug, _ in found})
    print(f"{len(found)} crashes of {bugs} bugs in {len(groups)} groups")
    print(f"precision {right / together:.4f}, recall {right / same:.4f} (pairs)")
    print(f"{read - began:.1f} s to read, {done - read:.1f} s to group")


if __name__ == "__main__":
    main()
