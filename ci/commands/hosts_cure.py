"""``virtci hosts power``, ``recover`` and ``rollback``: what changes a host nobody else holds."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ci.codec import from_json, read_text
from ci.commands.hosts_file import DEFAULT, SECONDS, File, Name, open_shell
from ci.commands.hosts_lease import refuse_others
from ci.deadline import Deadline
from ci.deploy.host_facts import host_facts
from ci.deploy.identity import check_identity
from ci.deploy.lease import fenced
from ci.deploy.pool import load_hosts, named
from ci.deploy.power import Action, switch_power
from ci.deploy.recover import Ladder, Recovery, recover
from ci.deploy.rollback import roll_back
from ci.deploy.snapshot import return_to_snapshot
from ci.errors import InfraError, ProductError, UsageError
from ci.facts import PackageChange
from ci.shell import LocalShell

RECOVER_SECONDS = 7200.0

app = typer.Typer()


@app.command()
def power(
    name: Name,
    action: Annotated[str, typer.Argument(help="status, on, off or cycle")] = "status",
    *,
    file: File = DEFAULT,
) -> None:
    """Switch a host's power."""
    host = named(load_hosts(file), name)
    if host.power is None:
        raise UsageError(f"{name} has no power switch in {file}", hint="add [hosts.power] there")
    deadline = Deadline.after(SECONDS)
    wanted = _action(action)
    if wanted != "status":
        refuse_others(host, deadline.within(SECONDS / 4))
    said = switch_power(LocalShell(), host.power, wanted, deadline)
    typer.echo(said or f"{name}: power {wanted} done")


def _action(text: str) -> Action:
    actions: tuple[Action, ...] = ("status", "on", "off", "cycle")
    for action in actions:
        if action == text:
            return action
    raise UsageError(f'"{text}" is nothing a power switch does', hint=", ".join(actions))


@app.command("recover")
def recover_(
    name: Name,
    *,
    file: File = DEFAULT,
    console: Annotated[str, typer.Option(help="The file of its serial console.")] = "",
) -> None:
    """Bring a wedged host back: daemons, leftovers, reboot, sysrq, power, reprovision."""
    host = named(load_hosts(file), name)
    refuse_others(host, Deadline.after(SECONDS / 4))
    folder = Path("recoveries", f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    with closing(open_shell(host)) as shell:
        deadline = Deadline.after(RECOVER_SECONDS)
        ladder = Ladder(host=host, shell=shell, folder=folder, deadline=deadline, say=typer.echo)
        _tell(recover(ladder, console=console), folder)


def _tell(recovery: Recovery, folder: Path) -> None:
    for rung in recovery.rungs:
        end = "helped" if rung.helped else rung.said
        typer.echo(f"{rung.name:18} {rung.seconds:7.1f} s  {end}")
    if not recovery.rungs:
        typer.echo(f"{recovery.host} is well")
    elif recovery.healthy:
        typer.echo(f"{recovery.host} is well after {recovery.seconds:.0f} s; evidence in {folder}")
        typer.echo(f"to blame: the {recovery.blame}")
    else:
        kind = ProductError if recovery.blame == "product" else InfraError
        raise kind(f"{recovery.host} stays down: {recovery.why}", hint=f"evidence is in {folder}")


def _change(path: Path) -> PackageChange:
    try:
        return from_json(read_text(path), PackageChange)
    except msgspec.MsgspecError as error:
        hint = "a deployment writes one: runs/<id>/deploy/<host>/packages.json"
        raise UsageError(f"{path} is no packages.json: {error}", hint=hint) from None


@app.command()
def rollback(
    name: Name,
    packages: Annotated[Path, typer.Argument(help="packages.json of a deployment.")],
    *,
    file: File = DEFAULT,
) -> None:
    """Put a host's packages back to what they were before a deployment."""
    host = named(load_hosts(file), name)
    deadline = Deadline.after(RECOVER_SECONDS)
    change = _change(packages)
    token = refuse_others(host, deadline)
    with open_shell(host) as shell:
        check_identity(shell, host, deadline)
        facts = host_facts(shell, deadline)
        ours = fenced(shell, token)
        if change.snapshot and "snapper" in facts.programs:
            commands = return_to_snapshot(ours, shell, change.snapshot, change.before, deadline)
        else:
            commands = roll_back(ours, facts, change.before, deadline)
    for argv in commands:
        typer.echo(" ".join(argv))
    typer.echo(f"{name} has the packages of before" if commands else "nothing to put back")
