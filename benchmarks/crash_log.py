"""Throughput and memory of the log parser: ``python -m benchmarks.crash_log [MiB]``, default 1 GB.

The log is made of lines as libvirtd writes them at level debug and removed afterwards.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from ci.crash.logline import read_log
from ci.crash.noise import new_errors, read_noise

MIB = 2**20
DEBUG = (
    "2023-11-16 10:11:12.{n:03d}+0000: 4312: debug : virEventGLibHandleFind:144 :"
    " EVENT_GLIB_DISPATCH_HANDLE: watch={n} events=1 cb=0x7f3c{n:08x} opaque=0x55d0aa10\n"
)
ERROR = (
    "2023-11-16 10:11:12.{n:03d}+0000: 4304: error : libxlDomainStartPerform:{n} :"
    " internal error: libxenlight failed to create new domain 'guest-{n}'\n"
)


def write(path: Path, size: int) -> None:
    block = "".join(DEBUG.format(n=n % 1000) for n in range(9999)) + ERROR.format(n=7)
    with path.open("w") as file:
        while file.tell() < size:
            file.write(block)


def main() -> None:
    size = int(sys.argv[1]) * MIB if len(sys.argv) > 1 else 1024 * MIB
    with tempfile.TemporaryDirectory(prefix="virtci-log-", dir="/var/tmp") as folder:
        path = Path(folder, "libvirtd.log")
        write(path, size)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for least in ("debug", "error"):
            began = time.perf_counter()
            count = sum(1 for _ in read_log(path, least=least))
            seconds = time.perf_counter() - began
            print(f"{least:>6}: {count} records, {size / MIB / seconds:.0f} MiB/s")
        found = new_errors(read_log(path, least="error"), noise=read_noise())
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"new errors: {[(one.kind, one.count) for one in found]}")
        print(f"peak memory {after / 1024:.0f} MiB, {(after - before) / 1024:.1f} MiB for the log")


if __name__ == "__main__":
    main()
