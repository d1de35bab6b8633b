"""Snapshots of a host's root file system before an installation, and the way back to one.

Only where snapper has a configuration for the root (openSUSE's default); elsewhere the recorded set
of packages is what a host goes back to.
"""

from __future__ import annotations

from ci.deadline import Deadline
from ci.deploy import boot
from ci.deploy.host_facts import HostFacts
from ci.deploy.install import installed_packages
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError
from ci.facts import package_diff
from ci.shell import Argv, Shell

CONFIG = "root"
_SNAPPER: Argv = ("snapper", "--config", CONFIG)


def snapshot_command(purpose: str) -> Argv:
    """Take one; snapper's own clean-up removes it after a while."""
    kind = ("--type", "single", "--cleanup-algorithm", "number")
    return (*_SNAPPER, "create", *kind, "--print-number", "--description", f"virtci {purpose}"[:80])


def rollback_command(number: int) -> Argv:
    """Make the root of the next boot a copy of this snapshot."""
    return (*_SNAPPER, "rollback", "--description", f"virtci back to {number}", str(number))


def take_snapshot(shell: Shell, facts: HostFacts, purpose: str, deadline: Deadline) -> int:
    """Its number; 0 where snapper is not there, or does not look after the root."""
    if "snapper" not in facts.programs:
        return 0
    configs = shell.run(("snapper", "--machine-readable", "csv", "list-configs"), deadline)
    if not has_root(configs.stdout):
        return 0
    done = shell.run(snapshot_command(purpose), deadline)
    if not done.ok or not done.stdout.strip().isdecimal():
        raise InfraError(
            f"snapper takes no snapshot of {shell.where} before the installation",
            hint="is its disk full? snapper list",
            detail=done.tail(8),
        )
    return int(done.stdout)


def has_root(configs: str) -> bool:
    """Whether the list of configurations (CSV with a head line) has one for the root."""
    rows = [line.split(",") for line in configs.splitlines()[1:]]
    return any(row[:2] == [CONFIG, "/"] for row in rows)


def return_to_snapshot(
    shell: Shell, ssh: SshShell, number: int, before: tuple[str, ...], deadline: Deadline
) -> tuple[Argv, ...]:
    """Roll back, boot, and see that the packages are those of before.

    ``shell`` carries the lease, ``ssh`` is the connection below it. Raises InfraError when snapper
    refuses or the packages are others after all.
    """
    argv = rollback_command(number)
    done = shell.run(argv, deadline)
    if not done.ok:
        raise InfraError(
            f"snapper does not roll {ssh.where} back to {number}",
            hint="is the snapshot still there (snapper list), and is the root btrfs?",
            detail=done.tail(8),
        )
    booted = boot.boot_id(shell, deadline)
    boot.ask_for_reboot(shell, boot.REBOOT, deadline)
    boot.wait_for_new_boot(ssh, booted, deadline)
    if rest := package_diff(before, installed_packages(ssh, deadline)).lines():
        raise InfraError(
            f"{ssh.where} has other packages than before after all", detail="\n".join(rest)
        )
    return (argv,)
