"""``virtci hosts``: the machines of a hosts file."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ci.commands.hosts_file import DEFAULT, SECONDS, File, Name, open_shell
from ci.deadline import Deadline
from ci.deploy import strikes
from ci.deploy.choose import LANES, Surveyed, health_of, survey
from ci.deploy.evidence import gather_over
from ci.deploy.identity import enter_machine_id, machine_id, trust_key
from ci.deploy.lease import Leases
from ci.deploy.pool import load_hosts, named
from ci.deploy.ssh import offered_key
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, UsageError, VirtciError
from ci.ssh_uri import ssh_options

app = typer.Typer()


@app.command("list")
def list_(
    *,
    file: File = DEFAULT,
    require: Annotated[str, typer.Option(help="Only what fits, e.g. xen & memory>=8GiB.")] = "",
) -> None:
    """Look at every host: state, who holds it, what it is."""
    deadline = Deadline.after(SECONDS)
    found = survey(load_hosts(file), require, file, deadline, counts=False)
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
        with open_shell(each.host) as shell:
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
    with open_shell(host) as shell:
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
    if sick := [each.host.name for each in found if each.why_not and not each.unseen]:
        raise InfraError(f"not fit: {', '.join(sick)}", hint="virtci hosts recover NAME")
    if unseen := [each.host.name for each in found if each.unseen]:
        raise UsageError(f"not looked at: {', '.join(unseen)}", hint="give what is missing above")


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
    with open_shell(host) as shell:
        evidence = gather_over(shell, host.hypervisor, folder, Deadline.after(SECONDS))
    typer.echo(f"{len(evidence.files)} files in {folder}")
    for line in evidence.missing:
        typer.echo(f"missing: {line}")
