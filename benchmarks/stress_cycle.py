"""What our lifecycle loop costs: against the bare minimum, and against a shell loop of virsh.

    python benchmarks/stress_cycle.py                    # test:///default
    python benchmarks/stress_cycle.py qemu URI [BLOCKS]  # a QEMU host on this machine

Blocks of each take turns, so that all see the same machine. Medians of the blocks and their
ratio; the seconds of a cycle include everything between two cycles (ledger, comparison, flush).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ci.codec import from_json
from ci.deadline import Deadline
from ci.guest.build import build_guest
from ci.journal import read
from ci.model import CaseResult, Outcome
from ci.shell import LocalShell
from suites.stress import argv
from suites.stress.options import Options

TEST = "test:///default"
BARE = Path(__file__).with_name("stress_bare.py")
DOMAIN = """<domain type='test'><name>virtci-bare-0</name><memory unit='MiB'>96</memory>
<os><type>hvm</type></os></domain>"""


def bare(uri: str, loops: int, guest: tuple[str, ...]) -> float:
    """Mean seconds of a cycle of the straight script."""
    command = (sys.executable, str(BARE), uri, str(loops), *guest)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return statistics.fmean(map(float, done.stdout.split()))


def ours(uri: str, loops: int, guest: tuple[str, ...]) -> float:
    """Mean seconds of an iteration, from the first to the last record of the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder, "ledger")
        kernel, initrd = guest or ("", "")
        options = Options(
            connect=uri,
            ledger=str(ledger),
            loops=loops,
            guest_kernel=kernel,
            guest_initrd=initrd,
        )
        subprocess.run(argv(options), capture_output=True, check=True)
        events = list(read(ledger))
    cases = [from_json(event.data, CaseResult) for event in events if event.what == "case"]
    assert len(cases) == loops
    assert all(case.outcome is Outcome.PASSED for case in cases)
    first = next(event.at for event in events if event.what == "op")
    last = next(event.at for event in reversed(events) if event.what == "case")
    return (last - first + cases[0].steps["create"]) / loops


def virsh(loops: int) -> float:
    """Seconds of a cycle of a shell loop; one virsh a cycle, since test:/// lives in it."""
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder, "domain.xml")
        xml.write_text(DOMAIN)
        name = "virtci-bare-0"
        words = f"create {xml}; domstate {name}; reboot {name}; domstate {name}; shutdown {name}"
        script = f'for i in $(seq {loops}); do virsh -q -c {TEST} "{words}; list --all"; done'
        began = time.perf_counter()
        subprocess.run(("sh", "-c", script), capture_output=True, check=True)
        return (time.perf_counter() - began) / loops


def report(name: str, values: dict[str, list[float]]) -> None:
    medians = {who: statistics.median(times) for who, times in values.items()}
    print(name)
    for who, median in medians.items():
        low, high = min(values[who]), max(values[who])
        print(
            f"  {who:6} {median * 1e6:12.0f} us a cycle ({low * 1e6:.0f} to {high * 1e6:.0f}), "
            f"{60 / median:9.0f} cycles a minute"
        )
    print(f"  ours takes {medians['ours'] / medians['bare']:.2f} times the bare cycle")
    if "virsh" in medians:
        print(f"  ours is {medians['virsh'] / medians['ours']:.0f} times faster than virsh")


def on_test_driver() -> None:
    values: dict[str, list[float]] = {"bare": [], "ours": [], "virsh": []}
    for _ in range(7):
        values["bare"].append(bare(TEST, 5000, ()))
        values["ours"].append(ours(TEST, 5000, ()))
        values["virsh"].append(virsh(40))
    report(TEST, values)


def on_qemu(uri: str, blocks: int) -> None:
    made = build_guest(LocalShell(), Deadline.after(600), say=print)
    guest = (made.kernel, made.initrd)
    values: dict[str, list[float]] = {"bare": [], "ours": []}
    for block in range(blocks):
        order = ("bare", "ours") if block % 2 else ("ours", "bare")
        for who in order:
            values[who].append((bare if who == "bare" else ours)(uri, 3, guest))
            print(who, f"{values[who][-1]:.2f} s", flush=True)
    report(uri, values)


if __name__ == "__main__":
    if sys.argv[1:2] == ["qemu"]:
        on_qemu(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 4)
    else:
        on_test_driver()
