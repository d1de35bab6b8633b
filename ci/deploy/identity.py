"""Is this the machine that was enrolled? Asked before anything destructive."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.pool import PooledHost
from ci.deploy.ssh_errors import SshTarget
from ci.errors import InfraError, UsageError
from ci.shell import Shell
from ci.toml_lines import line_of

# images that many machines are made of have the file, but empty
MACHINE_ID = (
    "cat /etc/machine-id 2>/dev/null | grep . || cat /sys/class/dmi/id/product_uuid 2>/dev/null"
)


def machine_id(shell: Shell, deadline: Deadline) -> str:
    """What the machine calls itself. Raises InfraError when it has no name for itself."""
    done = shell.run(("sh", "-c", MACHINE_ID), deadline)
    if not done.stdout.strip():
        raise InfraError(
            f"{shell.where} has neither /etc/machine-id nor a product UUID",
            hint="systemd-machine-id-setup makes one",
        )
    return done.stdout.strip()


def check_identity(shell: Shell, host: PooledHost, deadline: Deadline) -> None:
    """Raises UsageError when the host was never enrolled, InfraError when it is another one."""
    if not host.machine_id:
        raise UsageError(
            f"{host.name} was never enrolled, so that nothing destructive is done to it",
            hint=f"virtci hosts enroll {host.name}",
        )
    found = machine_id(shell, deadline)
    if found != host.machine_id:
        raise InfraError(
            f"{host.name} is another machine than was enrolled; nothing is done to it",
            hint=f"if it was installed anew: virtci hosts enroll {host.name}",
            detail=f"enrolled {host.machine_id}\nfound    {found}",
        )


def trust_key(target: SshTarget, key: str) -> None:
    """Enter a host's key into its known_hosts file, in place of a former one."""
    path = Path(target.known_hosts).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.split(" ", 1)[0] != target.place]
    fresh = path.with_name(path.name + ".new")
    fresh.write_text("\n".join((*kept, f"{target.place} {key}", "")), encoding="utf-8")
    fresh.replace(path)


def enter_machine_id(hosts_file: Path, name: str, found: str) -> None:
    """Write a host's machine id into the hosts file; the rest of it stays as people wrote it."""
    text = hosts_file.read_text(encoding="utf-8")
    hosts = tomllib.loads(text)["hosts"]
    position = next(index for index, host in enumerate(hosts) if host["name"] == name)
    lines = text.splitlines()
    entry = f'machine_id = "{found}"'
    if "machine_id" in hosts[position]:
        lines[line_of(text, ("hosts", position, "machine_id")) - 1] = entry
    else:
        lines.insert(line_of(text, ("hosts", position, "name")), entry)
    fresh = hosts_file.with_name(hosts_file.name + ".new")
    fresh.write_text("\n".join((*lines, "")), encoding="utf-8")
    fresh.replace(hosts_file)
