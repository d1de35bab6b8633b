"""Gives a process a fifth of a processor: ``python -m suites.stress.amplifiers.throttle PID``.

In a cgroup of its own, version 1 or 2; the process is put back and the cgroup removed at the end.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from pathlib import Path

from suites.stress.amplifiers.on import say_on

PERIOD_MICROSECONDS = 20_000
QUOTA_MICROSECONDS = 4_000
ROOT = Path("/sys/fs/cgroup")


def main() -> None:
    pid = int(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    base = ROOT / "cpu" if (ROOT / "cpu").is_dir() else ROOT
    former = base / _cgroup_of(pid, version_1=base != ROOT).lstrip("/")
    own = former / f"virtci-throttle-{pid}"
    own.mkdir()
    try:
        _limit(own)
        (own / "cgroup.procs").write_text(str(pid))
        say_on()
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.2)
    finally:
        with contextlib.suppress(OSError):
            (former / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            own.rmdir()


def _cgroup_of(pid: int, *, version_1: bool) -> str:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if version_1 and "cpu" in controllers.split(","):
            return path
        if not version_1 and number == "0":
            return path
    return "/"


def _limit(own: Path) -> None:
    if (own / "cpu.max").exists():
        (own / "cpu.max").write_text(f"{QUOTA_MICROSECONDS} {PERIOD_MICROSECONDS}")
        return
    (own / "cpu.cfs_period_us").write_text(str(PERIOD_MICROSECONDS))
    (own / "cpu.cfs_quota_us").write_text(str(QUOTA_MICROSECONDS))


if __name__ == "__main__":
    main()
