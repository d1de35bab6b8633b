"""``virtci hosts``: the machines of a hosts file."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ci.codec import from_json, read_text
from ci.deadline import Deadline
from ci.deploy import strikes
from ci.deploy.choose import LANES, Surveyed, health_of, owner, survey
from ci.deploy.evidence import gather_over
from ci.deploy.host_facts import host_facts
from ci.deploy.identity import check_identity, enter_machine_id, machine_id, trust_key
from ci.deploy.lease import Lease, Leases, fenced
from ci.deploy.pool import PooledHost, load_hosts, named
from ci.deploy.power import Action, switch_power
from ci.deploy.recover import Ladder, Recovery, recover
from ci.deploy.rollback import roll_back
from ci.deploy.snapshot import return_to_snapshot
from ci.deploy.ssh import offered_key
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, ProductError, UsageError, VirtciError
from ci.facts import PackageChange
from ci.shell import LocalShell
from ci.ssh_uri import ssh_options

SECONDS = 120.0
RECOVER_SECONDS = 7200.0
HOUR = 3600

app = typer.Typer()
Name = Annotated[str, typer.Argument(help="Name of a host in the hosts file.")]
File = Annotated[Path, typer.Option("--file", "-f", help="The hosts file.")]
DEFAULT = Path("hosts.toml")


def _shell(host: PooledHost) -> SshShell:
    return SshShell(host.ssh(Path()).target())


@app.command("list")
def list_(
    *,
    file: File = DEFAULT,
    require: Annotated[str, typer.Option(help="Only what fits, e.g. xen & memory>=8GiB.")] = "",
) -> None:
    """Look at every host: state, who holds it, what it is."""
    deadline = Deadline.after(SECONDS)
    found = survey(load_hosts(file), require, file, deadline)
    table = Table(box=None, pad_edge=False)
    for column in ("host", "state", "labels", "facts"):
        table.add_column(column, overflow="fold")
    with ThreadPoolExecutor(LANES) as lanes:
        states = list(lanes.map(lambda each: _state(each, deadline), found))
    for each, state in zip(found, states, strict=True):
        table.add_row(each.host.name, escape(state), *_described(each))
    Console(highlight=False).print(table)


def _state(each: Surveyed, deadline: Deadline) -> str:
    if each.why_not:
        return each.why_not
    try:
        with _shell(each.host) as shell:
            held = Leases(shell).holder(deadline)
    except VirtciError as error:
        return error.message
    return f"held by {held.owner} {held.purpose}".strip() if held else "free"


def _described(each: Surveyed) -> tuple[str, str]:
    facts = each.health.facts
    shown = ("xen", "libvirt", "cpus", "memory", "kernel", "distribution")
    told = " ".join(f"{key}={facts[key]}" for key in shown if key in facts)
    return escape(" ".join((each.host.hypervisor, *each.host.labels))), escape(told)


@app.command()
def show(name: Name, *, file: File = DEFAULT) -> None:
    """Everything about one host: facts, lease, what its leases have seen, strikes."""
    host = named(load_hosts(file), name)
    deadline = Deadline.after(SECONDS)
    health = health_of(host, deadline)
    for key, value in sorted(health.facts.items()):
        typer.echo(f"{key:14} {value}")
    for problem in health.problems:
        typer.echo(f"{'problem':14} {problem}")
    if said := strikes.standings(file).get(name, strikes.Standing()).said():
        typer.echo(f"{'standing':14} {said}")
    with _shell(host) as shell:
        leases = Leases(shell)
        held = leases.holder(deadline)
        lease = f"{held.token} {held.owner} {held.purpose}" if held else "free"
        typer.echo(f"{'lease':14} {lease}")
        for line in leases.log(deadline)[-10:]:
            typer.echo(f"{'':14} {line}")


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Hosts; all when none.")] = None,
    *,
    file: File = DEFAULT,
) -> None:
    """See whether hosts are fit; a sick one counts as a strike, three put it aside."""
    hosts = load_hosts(file)
    wanted = [named(hosts, name) for name in names] if names else list(hosts)
    found = survey(wanted, "", file, Deadline.after(SECONDS))
    for each in found:
        typer.echo(f"{each.host.name}: {each.why_not or 'well'}")
    if sick := [each.host.name for each in found if each.why_not]:
        raise InfraError(f"not fit: {', '.join(sick)}", hint="virtci hosts recover NAME")


@app.command()
def lease(
    name: Name,
    *,
    file: File = DEFAULT,
    hours: Annotated[int, typer.Option(min=1, max=240)] = 8,
    purpose: Annotated[str, typer.Option(help="One line for those who wait.")] = "by hand",
    steal: Annotated[bool, typer.Option("--steal", help="Take it from its holder.")] = False,
) -> None:
    """Take a host for some hours; prints the token."""
    deadline = Deadline.after(SECONDS)
    with _shell(named(load_hosts(file), name)) as shell:
        leases = Leases(shell)
        act = leases.steal if steal else leases.ask
        answer = act(owner=owner(), purpose=purpose, seconds=hours * HOUR, deadline=deadline)
        if not isinstance(answer, Lease):
            leases.leave(answer.ticket, deadline)
            raise _held(name, answer.holder)
    typer.echo(f"{name} is leased to {answer.owner} for {hours} h, token {answer.token}")


def _is_ours(held: Lease) -> bool:
    """Whether it was taken by this user on this machine, by whatever process."""
    return held.owner.rsplit(":", 1)[0] == owner().rsplit(":", 1)[0]


def _refuse_others(host: PooledHost, deadline: Deadline) -> int:
    """The token of our lease (0: nobody's). A host that cannot be asked is not kept from its cure.

    Raises InfraError when somebody else holds it.
    """
    try:
        with _shell(host) as shell:
            held = Leases(shell).holder(deadline)
    except InfraError:
        return 0
    if held is not None and not _is_ours(held):
        raise _held(host.name, held)
    return held.token if held else 0


def _held(name: str, holder: Lease | None) -> InfraError:
    who = f"held by {holder.owner}: {holder.purpose}" if holder else "promised to who waits"
    return InfraError(f"{name} is {who}", hint=f"wait, or: virtci hosts lease {name} --steal")


@app.command()
def release(
    name: Name,
    *,
    file: File = DEFAULT,
    token: Annotated[int, typer.Option(help="Of the lease; yours needs none.")] = 0,
) -> None:
    """Give a host back. Somebody else's lease is released by its token alone."""
    deadline = Deadline.after(SECONDS)
    with _shell(named(load_hosts(file), name)) as shell:
        leases = Leases(shell)
        held = leases.holder(deadline)
        if held is None:
            typer.echo(f"{name} was free")
            return
        if held.token != token and not _is_ours(held):
            raise UsageError(
                f"{name} is held by {held.owner}: {held.purpose}",
                hint=f"if you know better: virtci hosts release {name} --token {held.token}",
            )
        leases.release(held.token, deadline)
    typer.echo(f"{name} is free")


@app.command()
def enroll(
    name: Name,
    *,
    file: File = DEFAULT,
    fingerprint: Annotated[str, typer.Option(help="The expected one; asks no question.")] = "",
) -> None:
    """Trust a host's key and machine id once, after a person compared the fingerprint."""
    host = named(load_hosts(file), name)
    target = host.ssh(Path()).target()
    deadline = Deadline.after(SECONDS)
    key, offered = offered_key(target, deadline)
    typer.echo(f"{name} at {target.place} shows {key.split()[0]} {offered}")
    if fingerprint and fingerprint != offered:
        raise UsageError(f"{name} does not show the fingerprint {fingerprint}; nothing was changed")
    if not fingerprint:
        typer.confirm("Is this its fingerprint (ssh-keygen -lf on the host)?", abort=True)
    trust_key(target, key)
    with SshShell(target) as shell:
        found = machine_id(shell, deadline)
    enter_machine_id(file, name, found)
    typer.echo(f"{name} is enrolled as machine {found}; its key is in {target.known_hosts}")


@app.command()
def pardon(name: Name, *, file: File = DEFAULT) -> None:
    """End a host's quarantine."""
    named(load_hosts(file), name)
    strikes.pardon(file, name)
    typer.echo(f"{name} may be leased again")


@app.command("shell")
def shell_(name: Name, *, file: File = DEFAULT) -> None:
    """Log in to a host."""
    host = named(load_hosts(file), name)
    target = host.ssh(Path()).target()
    options = ssh_options(key=target.key, known_hosts=target.known_hosts, through=target.through)
    where = (f"{target.user}@{target.address}", "-p", str(target.port))
    os.execvp("ssh", ("ssh", *options, *where))  # noqa: S606 - ssh takes this terminal over


@app.command()
def console(name: Name, *, file: File = DEFAULT) -> None:
    """Look at a host's serial console: serial over LAN, or its outer host's."""
    host = named(load_hosts(file), name)
    if host.power is None:
        raise UsageError(f"{name} has no power switch in {file}, so that its console is not known")
    shown = host.power.console()
    os.execvpe(shown.argv[0], shown.argv, os.environ | shown.env)  # noqa: S606 - takes it over


@app.command()
def logs(
    name: Name,
    *,
    file: File = DEFAULT,
    into: Annotated[Path | None, typer.Option(help="A folder; default: logs-NAME.")] = None,
) -> None:
    """Gather a host's logs, lists and cores into a folder."""
    host = named(load_hosts(file), name)
    folder = into or Path(f"logs-{name}")
    folder.mkdir(parents=True, exist_ok=True)
    with _shell(host) as shell:
        evidence = gather_over(shell, host.hypervisor, folder, Deadline.after(SECONDS))
    typer.echo(f"{len(evidence.files)} files in {folder}")
    for line in evidence.missing:
        typer.echo(f"missing: {line}")


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
        _refuse_others(host, deadline.within(SECONDS / 4))
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
    _refuse_others(host, Deadline.after(SECONDS / 4))
    folder = Path("recoveries", f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    with closing(_shell(host)) as shell:
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
    token = _refuse_others(host, deadline)
    with _shell(host) as shell:
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
