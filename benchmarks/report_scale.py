"""The reports of a long soak: CPU seconds, memory, bytes; and JUnit against junit-xml's own way.

    .venv/bin/python -m benchmarks.report_scale [ITERATIONS]

Each measurement is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from junit_xml import TestSuite, to_xml_report_string

from ci.model import Outcome
from ci.report import junit
from ci.report.loading import load
from ci.report.page import write
from tests.made_runs import case, make_run

STEPS = {"create": 0.4, "alive": 1.2, "reboot": 0.1, "alive-2": 1.3, "shutdown": 0.5, "check": 0.1}


def make(folder: Path, count: int) -> Path:
    """A run with a loop of ``count`` iterations, one in 500 failed."""
    cases = (
        case(
            f"iteration-{n:06}",
            Outcome.PASSED if n % 500 else Outcome.FAILED,
            "" if n % 500 else f"reboot: no new boot id within 60 s (domain {n})",
            suite="stress.lifecycle",
            steps={name: seconds + n % 97 / 500 for name, seconds in STEPS.items()},
            detail="" if n % 500 else "console line\n" * 40,
        )
        for n in range(1, count + 1)
    )
    return make_run(folder, "soak", {"xen1/stress": cases})


def page(run: Path) -> Path:
    return write(run, load(run))


def streamed(run: Path) -> Path:
    junit.write(run / "junit.xml", load(run))
    return run / "junit.xml"


def in_memory(run: Path) -> Path:
    """junit-xml's own way: every case an object, one document, one string."""
    results = load(run)
    suites = [
        TestSuite(suite.suite, [junit._case(suite, one) for one in suite.cases])  # noqa: SLF001
        for suite in results.suites
    ]
    (run / "own.xml").write_text(to_xml_report_string(suites), encoding="utf-8")
    return run / "own.xml"


WAYS: dict[str, Callable[[Path], Path]] = {
    "page": page,
    "junit streamed": streamed,
    "junit-xml's own way": in_memory,
}


def peak_kib() -> int:
    """Of this program alone; what getrusage tells is inherited from the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def measure(way: str, run: Path) -> dict[str, float]:
    """In this process: CPU seconds (others may use the machine), peak MiB, bytes written."""
    before = peak_kib()
    began = time.process_time()
    written = WAYS[way](run)
    seconds = time.process_time() - began
    peak = peak_kib()
    size = written.stat().st_size / 1000
    return {"seconds": seconds, "added MiB": (peak - before) / 1024, "kB": size}


def main() -> None:
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
        return
    counts = [int(sys.argv[1])] if len(sys.argv) == 2 else [1_000, 10_000, 100_000]
    print(f"{'iterations':>10}  {'what':22} {'CPU s':>8} {'added MiB':>10} {'kB':>9}")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            run = make(Path(folder), count)
            for way in WAYS:
                argv = (sys.executable, "-m", "benchmarks.report_scale", "one", way, str(run))
                done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=600)
                found = json.loads(done.stdout)
                print(
                    f"{count:>10}  {way:22} {found['seconds']:>8.2f} {found['added MiB']:>10.1f} "
                    f"{found['kB']:>9.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
