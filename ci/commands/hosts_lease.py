"""``virtci hosts lease`` and ``release``: hosts taken and given back by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from ci.commands.hosts_file import DEFAULT, SECONDS, File, Name, open_shell
from ci.deadline import Deadline
from ci.deploy.choose import owner
from ci.deploy.lease import Lease, Leases
from ci.deploy.pool import PooledHost, load_hosts, named
from ci.errors import InfraError, UsageError

HOUR = 3600

app = typer.Typer()


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
    with open_shell(named(load_hosts(file), name)) as shell:
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


def refuse_others(host: PooledHost, deadline: Deadline) -> int:
    """The token of our lease (0: nobody's). A host that cannot be asked is not kept from its cure.

    Raises InfraError when somebody else holds it.
    """
    try:
        with open_shell(host) as shell:
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
    with open_shell(named(load_hosts(file), name)) as shell:
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
