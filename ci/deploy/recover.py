"""Bringing a wedged host back, rung by rung, with the evidence kept before each.

A rung is tried only when the one before did not help. What helped tells who was to blame: a host
that answered all the time, but whose libvirt or hypervisor did not, was wedged by the product; one
that could not be reached at all is the lab's, unless its console shows a panic.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ci.codec import to_json
from ci.deadline import Deadline
from ci.deploy import boot
from ci.deploy.choose import health_of
from ci.deploy.evidence import gather_over
from ci.deploy.health import OURS, Health
from ci.deploy.host_facts import host_facts
from ci.deploy.identity import check_identity
from ci.deploy.install import DeployPlan, restart_commands
from ci.deploy.pool import PooledHost
from ci.deploy.power import switch_power
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, Interrupted, UsageError, VirtciError
from ci.facts import kernel_troubles, parse_xl_list
from ci.model import Record
from ci.shell import LocalShell, Shell

EVIDENCE_SECONDS = 45.0
LOOK_SECONDS = 60.0
RUNG_SECONDS = {
    "wait": 60.0,
    "restart-daemons": 180.0,
    "destroy-leftovers": 120.0,
    "reboot": 600.0,
    "sysrq": 600.0,
    "power-cycle": 900.0,
    "reprovision": 3600.0,
}
CONSOLE_TAIL = 2**20


class Rung(Record, frozen=True, kw_only=True):
    """One try: what it was, how long it took, what it said when it did not help."""

    name: str
    seconds: float
    helped: bool
    said: str = ""


class Recovery(Record, frozen=True, kw_only=True):
    """``blame`` is "product" or "lab"; empty when nothing was wrong."""

    host: str
    healthy: bool
    blame: str
    why: str
    seconds: float
    rungs: tuple[Rung, ...] = ()


@dataclass(frozen=True)
class Ladder:
    """What a rung may use."""

    host: PooledHost
    shell: SshShell
    folder: Path
    deadline: Deadline
    say: Callable[[str], None]


def recover(ladder: Ladder, *, console: str = "") -> Recovery:
    """Climb until the host is well. Raises UsageError when it was never enrolled.

    ``console`` is the file that its serial console was recorded in.
    """
    clock = ladder.deadline.clock
    began = clock.monotonic()
    health = _look(ladder)
    if not health.problems:
        return _verdict(ladder, health, "", (), 0.0)
    blame = blame_for(health, console_of(console))
    rungs: list[Rung] = []
    for name, act in RUNGS.items():
        if ladder.deadline.expired():
            break
        if not _is_for(name, answers=bool(health.facts)):
            continue
        ladder.say(f"{ladder.host.name}: {health.problems[0]}; trying {name}")
        rung, health = try_rung(ladder, name, act, number=len(rungs) + 1)
        rungs.append(rung)
        if rung.helped:
            break
    return _verdict(ladder, health, blame, tuple(rungs), clock.monotonic() - began)


def _is_for(name: str, *, answers: bool) -> bool:
    """A host that does not answer cannot be asked; one that does need not be waited for."""
    return name != "wait" if answers else name in ("wait", "power-cycle", "reprovision")


def try_rung(
    ladder: Ladder, name: str, act: Callable[[Ladder, Deadline], None], *, number: int
) -> tuple[Rung, Health]:
    folder = ladder.folder / f"{number}-{name}"
    clock = ladder.deadline.clock
    keep_evidence(ladder, folder)
    began = clock.monotonic()
    limit = ladder.deadline.within(RUNG_SECONDS[name])
    said = ""
    try:
        act(ladder, limit)
    except Interrupted:
        raise
    except VirtciError as error:
        said = error.message
    health = _look(ladder)
    rung = Rung(
        name=name,
        seconds=clock.monotonic() - began,
        helped=not health.problems,
        said=(said or "; ".join(health.problems)) if health.problems else "",
    )
    return rung, health


def _look(ladder: Ladder) -> Health:
    return health_of(ladder.host, ladder.deadline.within(LOOK_SECONDS))


def keep_evidence(ladder: Ladder, folder: Path) -> None:
    """Before the rung wipes it out. A host that cannot be reached has none to give."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(VirtciError, OSError):
        limit = ladder.deadline.within(EVIDENCE_SECONDS)
        ladder.shell.run(("true",), limit.within(EVIDENCE_SECONDS / 3))
        gather_over(ladder.shell, ladder.host.hypervisor, folder, limit)


def blame_for(health: Health, console: str) -> str:
    """Facts were had, so the machine answered: what failed on it is the product's."""
    return "product" if health.facts or kernel_troubles(console) else "lab"


def console_of(path: str) -> str:
    """The end of a recorded serial console; empty when there is none."""
    if not path or not Path(path).exists():
        return ""
    return Path(path).read_bytes()[-CONSOLE_TAIL:].decode(errors="replace")


def _verdict(
    ladder: Ladder, health: Health, blame: str, rungs: tuple[Rung, ...], seconds: float
) -> Recovery:
    recovery = Recovery(
        host=ladder.host.name,
        healthy=not health.problems,
        blame=blame,
        why="; ".join(health.problems) if health.problems else "",
        seconds=seconds,
        rungs=rungs,
    )
    ladder.folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(to_json(recovery))
    (ladder.folder / "recovery.json").write_bytes(text)
    return recovery


def _wait(ladder: Ladder, deadline: Deadline) -> None:
    """A network that was cut for a moment, or a boot that is under way."""
    ladder.shell.close()
    boot.wait_for_new_boot(ladder.shell, "", deadline)


def _identified(ladder: Ladder, deadline: Deadline) -> None:
    check_identity(ladder.shell, ladder.host, deadline.within(boot.LOOK_SECONDS))


def _restart_daemons(ladder: Ladder, deadline: Deadline) -> None:
    _identified(ladder, deadline)
    facts = host_facts(ladder.shell, deadline)
    for argv in restart_commands(DeployPlan(), facts):
        done = ladder.shell.run(argv, deadline)
        if not done.ok:
            raise InfraError(f"{argv[0]} ended with status {done.status}", detail=done.tail())


def _destroy_leftovers(ladder: Ladder, deadline: Deadline) -> None:
    """Only guests of ours; anybody else's are left alone."""
    _identified(ladder, deadline)
    for domain in leftovers(ladder.shell, deadline):
        ladder.shell.run(("xl", "destroy", domain), deadline)


def leftovers(shell: Shell, deadline: Deadline) -> list[str]:
    """The domains that a suite of ours left on a Xen host."""
    listed = parse_xl_list(shell.run(("xl", "list"), deadline).stdout)
    return [domain.name for domain in listed if OURS.match(domain.name)]


def _reboot(ladder: Ladder, deadline: Deadline) -> None:
    _boot_anew(ladder, boot.REBOOT, deadline)


def _sysrq(ladder: Ladder, deadline: Deadline) -> None:
    _boot_anew(ladder, boot.SYSRQ, deadline)


def _boot_anew(ladder: Ladder, how: str, deadline: Deadline) -> None:
    _identified(ladder, deadline)
    before = boot.boot_id(ladder.shell, deadline.within(boot.LOOK_SECONDS))
    boot.ask_for_reboot(ladder.shell, how, deadline)
    boot.wait_for_new_boot(ladder.shell, before, deadline)


def _power_cycle(ladder: Ladder, deadline: Deadline) -> None:
    """The last id of the machine that answered is the enrolled one; nobody else can be asked."""
    power = ladder.host.power
    if power is None:
        raise UsageError(f"{ladder.host.name} has no power switch in the hosts file")
    if not ladder.host.machine_id:
        raise UsageError(
            f"{ladder.host.name} was never enrolled", hint=f"virtci hosts enroll {ladder.host.name}"
        )
    switch_power(LocalShell(), power, "cycle", deadline)
    ladder.shell.close()
    boot.wait_for_new_boot(ladder.shell, "", deadline)


def _reprovision(ladder: Ladder, deadline: Deadline) -> None:
    argv = ladder.host.reprovision
    if not argv:
        raise UsageError(f"{ladder.host.name} has no reprovision command in the hosts file")
    log = ladder.folder / "reprovision.log"
    done = LocalShell().run(argv, deadline, log=log)
    if not done.ok:
        raise InfraError(f"{argv[0]} ended with status {done.status}", detail=done.tail())
    ladder.shell.close()
    boot.wait_for_new_boot(ladder.shell, "", deadline)


RUNGS: dict[str, Callable[[Ladder, Deadline], None]] = {
    "wait": _wait,
    "restart-daemons": _restart_daemons,
    "destroy-leftovers": _destroy_leftovers,
    "reboot": _reboot,
    "sysrq": _sysrq,
    "power-cycle": _power_cycle,
    "reprovision": _reprovision,
}
