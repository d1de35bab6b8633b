"""Bringing a machine of a run back while it is still ours; nested hosts are booted anew instead."""

from __future__ import annotations

from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.lease import Leases
from ci.deploy.pool import PooledHost, load_hosts, named, pooled
from ci.deploy.poolhost import PoolHost
from ci.deploy.recover import Ladder, Recovery, recover
from ci.deploy.sshhost import SshHost
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, Interrupted, VirtciError
from ci.journal import read
from ci.model import Access
from ci.pipelines.kinds import HostKind
from ci.run import Run, Step

HOLDER_SECONDS = 20.0
RECOVER_SECONDS = 5400.0


def can_be_brought_back(where: HostKind) -> bool:
    """Whether there is a machine that outlives its trouble."""
    return isinstance(where, PoolHost | SshHost)


def bring_back(run: Run, lane: str, where: HostKind, access: Access) -> str | None:
    """Climb the ladder in a step of its own; how it came back, None when it did not."""
    before = {e.name for e in read(run.journal.path) if e.name.startswith(f"recover/{lane}/")}
    try:
        recovery = run.step(
            f"recover/{lane}/{len(before) + 1}",
            Recovery,
            _climb,
            machine_of(where, access),
            access,
            retries=0,
            seconds=RECOVER_SECONDS,
        )
    except Interrupted:
        raise
    except VirtciError:
        return None
    return told(recovery)


def machine_of(where: HostKind, access: Access) -> PooledHost:
    """The machine as the ladder knows it. One of the plan alone was never enrolled: nothing
    destructive is done to it, it is only waited for."""
    if isinstance(where, PoolHost):
        return named(load_hosts(Path(where.file)), access.name)
    hypervisor = where.hypervisor if isinstance(where, SshHost) else "xen"
    return pooled(access, hypervisor)


def told(recovery: Recovery) -> str:
    """How it came back, and how long that took."""
    helped = next((rung.name for rung in recovery.rungs if rung.helped), "by itself")
    return f"after {recovery.seconds:.0f} s ({helped})"


def _climb(step: Step, machine: PooledHost, access: Access) -> Recovery:
    """Raises InfraError when nothing helps."""
    with SshShell(machine.ssh(Path()).target()) as shell:
        _still_ours(shell, access)
        ladder = Ladder(
            host=machine, shell=shell, folder=step.folder, deadline=step.deadline, say=step.say
        )
        recovery = recover(ladder, console=access.console)
    if not recovery.healthy:
        tried = "\n".join(f"{rung.name}: {rung.said}" for rung in recovery.rungs)
        raise InfraError(f"{machine.name} stays down: {recovery.why}", detail=tried)
    step.say(f"{machine.name} is back {told(recovery)}")
    return recovery


def _still_ours(shell: SshShell, access: Access) -> None:
    """Nothing is done to a machine that somebody else took. One that is silent tells nobody."""
    if not access.lease:
        return
    try:
        held = Leases(shell).holder(Deadline.after(HOLDER_SECONDS))
    except VirtciError:
        return
    if held is not None and held.token != access.lease:
        raise InfraError(f"{access.name} is held by {held.owner} by now; it is left alone")
