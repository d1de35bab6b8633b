"""What the amplifiers gain on a seeded race in a really built libvirt.

    python -m benchmarks.stress_amplifiers /path/to/build/src/libvirtd [SECONDS [KNOB...]]

The libvirt is one with tests/data/stress/race.patch applied: its test driver works on, for
VIRTCI_RACE_SPINS turns of an empty loop, after it has told of a new domain, and the daemon aborts
when the event is dispatched meanwhile. Prints failures, loops and uplift of each knob against the
plain loop, and how many loops it takes on average to the first crash.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from pathlib import Path

from suites.stress.amplifiers.knobs import ALL
from suites.stress.amplify import PLAIN, measure, uplift
from suites.stress.options import Options
from tests.libvirtd import start_libvirtd


def main() -> None:
    os.environ["VIRTCI_LIBVIRTD"] = sys.argv[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # hundreds of crashes, none looked at
    seconds = float((*sys.argv[2:], "60")[0])
    names = (PLAIN, *(sys.argv[3:] or (knob.name for knob in ALL)))
    with start_libvirtd(respawn=True) as daemon, tempfile.TemporaryDirectory() as folder:
        options = Options(
            connect=daemon.uri_of("test", "/default"),
            ledger=str(Path(folder, "ledger")),
            amplify=seconds,
        )
        arms = {arm.name: arm for arm in measure(options, names)}
    plain = arms[PLAIN]
    for arm in arms.values():
        per_second, per_loop = uplift(arm, plain)
        first = arm.loops / arm.failed if arm.failed else float("inf")
        print(
            f"{arm.name:9} {arm.failed:5} of {arm.loops:8} loops crashed, one in {first:8.0f}; "
            f"x{per_loop.value:6.2f} ({per_loop.low:.2f} to {per_loop.high:.2f}) a loop, "
            f"x{per_second.value:6.2f} ({per_second.low:.2f} to {per_second.high:.2f}) a second"
        )


if __name__ == "__main__":
    main()
