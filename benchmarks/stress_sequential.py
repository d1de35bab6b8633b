"""Loops that the sequential test saves against a fixed count of equal error rates, simulated.

python -m benchmarks.stress_sequential
"""

from __future__ import annotations

from random import Random
from statistics import fmean

from ci.stats.binomial import at_most, fixed_plan
from ci.stats.sprt import Decision, Sprt, simulate

BAD, GOOD, ERROR = 0.05, 0.005, 0.05
TRIES = 4000


def main() -> None:
    loops, allowed = fixed_plan(BAD, GOOD, ERROR, ERROR)
    print(f"fixed: {loops} loops, at most {allowed} may fail (baseline)")
    test, random = Sprt(bad=BAD, good=GOOD, alpha=ERROR, beta=ERROR), Random("sequential")
    for rate in (0.0, GOOD, 0.02, BAD, 0.1):
        played = [simulate(test, rate, random) for _ in range(TRIES)]
        good = sum(decision is Decision.GOOD for decision, _ in played) / TRIES
        mean = fmean(count for _, count in played)
        fixed_good = at_most(allowed, loops, rate) if rate else 1.0
        print(
            f"rate {rate:6.1%}: {mean:6.1f} loops on average, {mean / loops:.2f} of the fixed; "
            f"called good {good:.3f} (fixed: {fixed_good:.3f})"
        )


if __name__ == "__main__":
    main()
