"""What each rung of the recovery ladder takes on a real Xen host, against a power cycle.

python -m benchmarks.recovery_rungs       # needs root: a nested host below a libvirtd and a sshd
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy import recover
from ci.deploy.pool import load_hosts
from ci.deploy.recover import Ladder, Rung, keep_evidence
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.model import Access
from ci.nested.boot import NestedHost
from tests.nested.outer_host import an_outer_host
from tests.nested_host import booted

RUNGS = ("restart-daemons", "destroy-leftovers", "reboot", "sysrq", "power-cycle")
WEDGE = "kill -STOP $(pidof libvirtd)"
BASE = "power-cycle"


def climb(access: Access, name: str, folder: Path) -> Rung:
    """Wedge the daemon and let one rung alone put it right; its look at the host is part of it."""
    [host] = load_hosts(Path(access.console).with_name("hosts.toml"))
    with SshShell(target_of(access)) as shell:
        shell.run(("sh", "-c", WEDGE), Deadline.after(60))
        deadline = Deadline.after(600)
        ladder = Ladder(host=host, shell=shell, folder=folder, deadline=deadline, say=print)
        rung, _ = recover.try_rung(ladder, name, recover.RUNGS[name], number=1)
        if not rung.helped:  # the next one begins well in any case
            recover.try_rung(ladder, BASE, recover.RUNGS[BASE], number=2)
    return rung


def evidence(access: Access, folder: Path) -> float:
    [host] = load_hosts(Path(access.console).with_name("hosts.toml"))
    with SshShell(target_of(access)) as shell:
        deadline = Deadline.after(600)
        ladder = Ladder(host=host, shell=shell, folder=folder, deadline=deadline, say=print)
        began = time.monotonic()
        keep_evidence(ladder, folder)
        return time.monotonic() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as name, an_outer_host(Path(name, "outer")) as there:
        host = NestedHost(name="bench", outer=there.outer, minutes_to_live=60)
        began = time.monotonic()
        with booted(Path(name, "run"), host) as access:
            anew = time.monotonic() - began
            gathered = evidence(access, Path(name, "evidence"))
            rungs = [climb(access, rung, Path(name, rung)) for rung in RUNGS]
    base = next(rung.seconds for rung in rungs if rung.name == BASE)
    for rung in rungs:
        end = "" if rung.helped else f"  did not help: {rung.said}"
        print(f"{rung.name:18} {rung.seconds:6.1f} s  {rung.seconds / base:5.2f}{end}")
    print(f"{'booted anew':18} {anew:6.1f} s  {anew / base:5.2f}  with a fresh disk")
    print(f"{'evidence':18} {gathered:6.1f} s         before each rung")


if __name__ == "__main__":
    main()
