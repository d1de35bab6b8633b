"""``virtci --help`` against a bare ``python -c pass``: medians and their ratio, same run.

python -m benchmarks.help_time [-n 21]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def median_seconds(argv: tuple[str, ...], times: int) -> float:
    """The median of several runs; the first, which fills caches, is left out."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("-n", type=int, default=21)
    times = words.parse_args().n
    bare = median_seconds((sys.executable, "-c", "pass"), times)
    ours = median_seconds((sys.executable, "-m", "ci", "--help"), times)
    print(f"python -c pass   {bare:.3f} s (baseline)")
    print(f"virtci --help    {ours:.3f} s, {ours / bare:.1f} x; aim: under 0.3 s")


if __name__ == "__main__":
    main()
