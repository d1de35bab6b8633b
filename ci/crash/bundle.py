"""A crash as a bundle that runs elsewhere: script, domain, facts, and a text for upstream.

The sequence is the shortest end of an iteration that every crash has in common, found in the
ledger; its rate is how often the ledger tripped it, with its interval.
"""

from __future__ import annotations

import math
import re
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

import suites
from ci.codec import from_json
from ci.crash.attribution import Blamed, blame
from ci.crash.explain import CrashReport
from ci.errors import UsageError
from ci.journal import read
from ci.model import Record
from ci.stats.binomial import interval
from suites.hypervisor.domain_xml import Platform
from suites.stress.domain_xml import PREFIX, GuestKind, domain_xml
from suites.stress.ledger import Operation
from suites.stress.options import Options

SCRIPT = Path(suites.__file__).parent / "reproduce.py"  # where libvirt may be imported
CONFIDENCE = 0.95
PLATFORMS = {
    "test": Platform("test", "hvm", "x86_64"),
    "xen": Platform("xen", "xen", "x86_64"),
    "qemu": Platform("qemu", "hvm", "x86_64", "pc"),
}
ALIVE_LEAST = 0.0
OPENERS = frozenset({"create", "define", "start", "restore"})  # a guest has to be there


class Trip(Record, frozen=True, kw_only=True):
    """Operations that trip a crash, and how often the ledger shows it."""

    ops: tuple[str, ...]
    tripped: int
    played: int

    @property
    def rate(self) -> float:
        return self.tripped / self.played if self.played else 0.0


class Facts(Record, frozen=True, kw_only=True):
    """``reproduce.json``: all that the script needs to know, and where it comes from."""

    connect: str
    sequence: tuple[str, ...]
    loops: int
    seed: int
    alive_seconds: float
    scratch: str
    tripped: int
    played: int
    rate_interval: tuple[float, float]
    packages: tuple[str, ...]
    signature: str


def shortest(ledger: Path, blamed: Sequence[Blamed]) -> Trip:
    """The shortest sequence of one iteration that trips all the crashes.

    It ends with the operation that they died in, begins where the guest is made, and is no longer
    than the shortest iteration that died. Raises UsageError when the ledger shows no crash.
    """
    if not blamed:
        raise UsageError(f"{ledger} shows no death of a daemon", hint="virtci crash show the core")
    iterations: dict[int, list[str]] = {}
    for event in read(ledger):
        if event.what == "op":
            op = from_json(event.data, Operation)
            iterations.setdefault(op.iteration, []).append(op.op)
    died = {one.iteration for one in blamed}
    lost = [tuple(iterations[number]) for number in sorted(died) if number in iterations]
    ops = _common_end(lost)
    played = sum(_contains(tuple(done), ops) for done in iterations.values())
    return Trip(ops=ops, tripped=len(lost), played=played)


def _common_end(lost: list[tuple[str, ...]]) -> tuple[str, ...]:
    """From the last making of a guest to the end, if all agree on it; else the shortest whole."""
    ends = {_from_last_opener(ops) for ops in lost}
    if len(ends) == 1:
        return ends.pop()
    return min(lost, key=len)


def _from_last_opener(ops: tuple[str, ...]) -> tuple[str, ...]:
    at = max((i for i, op in enumerate(ops) if op in OPENERS), default=0)
    while at > 0 and ops[at] in {"start", "restore"}:  # what was started was defined before
        at -= 1
    return ops[at:]


def _contains(done: tuple[str, ...], ops: tuple[str, ...]) -> bool:
    return any(done[at : at + len(ops)] == ops for at in range(len(done) - len(ops) + 1))


def make_bundle(
    folder: Path,
    ledger: Path,
    *,
    domain: str,
    packages: tuple[str, ...] = (),
    report: CrashReport | None = None,
    blamed: tuple[Blamed, ...] | None = None,
) -> Facts:
    """Write the bundle of a ledger's crashes into ``folder``. ``domain`` is the guest's XML.

    ``blamed`` are those of one crash; without it all of the ledger's are taken.

    Raises UsageError when the ledger shows no crash.
    """
    blamed = blame(ledger) if blamed is None else blamed
    found = shortest(ledger, blamed)
    options = _options(ledger)
    low, high = interval(found.tripped, found.played, CONFIDENCE)
    facts = Facts(
        connect=options.connect,
        sequence=found.ops,
        loops=_loops(low),
        seed=options.seed,
        alive_seconds=_alive_seconds(ledger),
        scratch=f"{options.scratch or '/var/lib/libvirt'}/virtci-reproduce.save",
        tripped=found.tripped,
        played=found.played,
        rate_interval=(low, high),
        packages=packages,
        signature=report.signature if report else "",
    )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCRIPT, folder / "reproduce.py")
    (folder / "domain.xml").write_text(domain, encoding="utf-8")
    (folder / "reproduce.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts)))
    (folder / "report.md").write_text(_text(facts, blamed, report), encoding="utf-8")
    return facts


def usual_domain(ledger: Path) -> str:
    """The guest as the loop most likely made it; host paths of kernel and initrd are the loop's."""
    options = _options(ledger)
    driver = re.split(r"[+:]", options.connect, maxsplit=1)[0]
    platform = PLATFORMS.get(driver, PLATFORMS["qemu"])
    kind = GuestKind(
        runs=driver != "test",
        platform=platform,
        kernel=options.guest_kernel,
        initrd=options.guest_initrd,
        memory_mib=options.memory_mib,
    )
    return domain_xml(f"{PREFIX}{options.worker}", kind)


def is_loop(ledger: Path) -> bool:
    """Whether a ledger is one of a stress loop, so that a sequence can be found in it."""
    return any(event.what == "soak" for event in read(ledger))


def _options(ledger: Path) -> Options:
    for event in read(ledger):
        if event.what == "soak":
            return from_json(event.data, Options)
    raise UsageError(f"{ledger} is no ledger of a stress loop")


def _loops(low: float) -> int:
    """Enough to trip it with 95 % even at the lowest rate that the ledger allows for."""
    return max(20, math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - min(0.999, max(low, 1e-4)))))


def _alive_seconds(ledger: Path) -> float:
    """How long a guest took to prove that it lives."""
    taken = [
        op.seconds
        for event in read(ledger)
        if event.what == "op" and (op := from_json(event.data, Operation)).op == "alive"
    ]
    return round(statistics.median(taken), 3) if taken else ALIVE_LEAST


def _text(facts: Facts, blamed: tuple[Blamed, ...], report: CrashReport | None) -> str:
    """For an upstream tracker."""
    low, high = facts.rate_interval
    died = (
        f"The daemon died in {facts.tripped} of {facts.played} loops of"
        f" `{' -> '.join(facts.sequence)}` ({low:.1%} to {high:.1%} at 95 % confidence)."
    )
    lines = [
        f"# {facts.signature or 'libvirt daemon dies'}",
        "",
        died,
        "",
        "To reproduce (needs libvirt-python): `python3 reproduce.py --connect URI`",
        "",
        "## What happened",
        *(f"- {one.sentence()}" for one in blamed[:10]),
        "",
        "## Packages",
        *(f"- {nevra}" for nevra in facts.packages),
    ]
    if report is not None:
        lines += ["", "## Stack", "", *(f"    {frame}" for frame in report.told.stack)]
        lines += ["", "## Errors in the daemon's log", *(f"- {text}" for text in report.errors)]
    return "\n".join(lines) + "\n"
