"""Bisection of a failure that shows in 5 % of the runs: ours against ``git bisect run``.

``python -m benchmarks.bisect_rates [HISTORIES] [BUILDS]``, default 100 histories of 64 builds.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from random import Random

from ci.crash.bisect.search import Aims, Search, Verdict, search

Fails = Callable[[int], bool]
Method = Callable[[int, Fails], tuple[int, int]]

RATE = 0.05
TRIES = 10


def plain(builds: int, fails: Fails, tries: int) -> tuple[int, int]:
    """What git bisect does when each step runs the test up to ``tries`` times: answer, runs.

    Like git, it takes the oldest build for good and the newest for bad.
    """
    good, bad, runs = 0, builds - 1, 0
    while bad - good > 1:
        middle = (good + bad) // 2
        for _ in range(tries):
            runs += 1
            if fails(middle):
                bad = middle
                break
        else:
            good = middle
    return bad, runs


def ours(builds: int, fails: Fails) -> tuple[int, int]:
    state = Search(builds, Aims(most_runs=5000))
    answer = search(
        state,
        lambda build: Verdict.BAD if fails(build) else Verdict.GOOD,
        lambda _build, _verdict: None,
    )
    return answer.first_bad[0], answer.runs


def main() -> None:
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    builds = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    methods: dict[str, Method] = {
        "virtci bisect": ours,
        f"git bisect, {TRIES} tries": lambda n, f: plain(n, f, TRIES),
        "git bisect, 60 tries": lambda n, f: plain(n, f, 60),
    }
    print(f"{histories} histories of {builds} builds, a bad build fails in {RATE:.0%} of its runs")
    for name, method in methods.items():
        right, runs = 0, []
        for number in range(histories):
            first_bad, fails = history(number, builds)
            found, used = method(builds, fails)
            right += found == first_bad
            runs.append(used)
        middle = statistics.median(runs)
        print(f"{name:>22}: right in {right}/{histories}, {middle:.0f} runs (most {max(runs)})")


def history(number: int, builds: int) -> tuple[int, Fails]:
    """The first bad build, and a run of a build."""
    random = Random(number)
    first_bad = random.randrange(1, builds)

    def fails(build: int) -> bool:
        return build >= first_bad and random.random() < RATE

    return first_bad, fails


if __name__ == "__main__":
    main()
