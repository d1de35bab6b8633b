"""Seconds of each phase of the demo: cold (no cache of any kind) against cached.

    python -m benchmarks.demo_phases [PLAN] [--cached-only]

The baseline is the cold run of the same session. Cold means an empty cache folder and an empty
ccache; installed packages stay.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ci.report.loading import load


def run(plan: str, runs: Path, environment: dict[str, str]) -> tuple[dict[str, float], float]:
    """One run of the plan; seconds by step, and seconds in all."""
    before = set(runs.glob("*"))
    began = time.monotonic()
    status = subprocess.run(
        (sys.executable, "-m", "ci", "run", plan, "--runs", str(runs)),
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode
    took = time.monotonic() - began
    (folder,) = set(runs.glob("*")) - before
    if status != 0:
        raise SystemExit(f"the run in {folder} ended with {status}")
    return {step.name: step.seconds for step in load(folder).steps}, took


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("plan", nargs="?", default="plans/demo.toml")
    words.add_argument("--warm", type=int, default=1, help="cached runs; the median is shown")
    options = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="virtci-bench-", dir=Path.cwd()) as folder:
        caches = {"XDG_CACHE_HOME": f"{folder}/cache", "CCACHE_DIR": f"{folder}/ccache"}
        cold, cold_all = run(options.plan, Path(folder, "runs"), caches)
        warm = [run(options.plan, Path(folder, "runs"), caches) for _ in range(options.warm)]
    warm.sort(key=lambda pair: pair[1])
    cached, cached_all = warm[len(warm) // 2]
    print(f"{'phase':28} {'cold s':>8} {'cached s':>9} {'cached/cold':>12}")
    for name in cold:
        share = cached[name] / cold[name] if cold[name] else 1.0
        print(f"{name:28} {cold[name]:8.1f} {cached[name]:9.1f} {share:12.2f}")
    print(f"{'all':28} {cold_all:8.1f} {cached_all:9.1f} {cached_all / cold_all:12.2f}")


if __name__ == "__main__":
    main()
