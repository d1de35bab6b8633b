"""``virtci hosts outer``: what an outer host has for nested ones, and what of ours is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ci.codec import decode
from ci.deadline import Deadline
from ci.deploy.sshshell import SshShell
from ci.nested.hosting import Hosting
from ci.nested.outer import Outer
from ci.nested.outer_facts import look_at_outer, processor_for

SECONDS = 300.0

app = typer.Typer()


@app.command()
def outer(
    uri: Annotated[str, typer.Argument(help="Its libvirt: qemu+ssh://root@host/system.")],
    *,
    key: Annotated[str, typer.Option(help="The private key that opens it.")] = "",
    known_hosts: Annotated[str, typer.Option(help="Where its host key is.")] = "~/.ssh/known_hosts",
    folder: Annotated[str, typer.Option(help="Our folder there, as in the plan.")] = "",
    sweep: Annotated[bool, typer.Option("--sweep", help="Remove hosts that nobody ends.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Remove all of ours, used or not.")] = False,
) -> None:
    """Look at an outer host: KVM and nesting, and the nested hosts there; remove them if told."""
    data = {"uri": uri, "key": key, "known_hosts": known_hosts, "folder": folder}
    wanted = decode(data, Outer, source="virtci hosts outer").located(Path())
    deadline = Deadline.after(SECONDS)
    with SshShell(wanted.target()) as shell:
        processor = processor_for(look_at_outer(shell, wanted, deadline), wanted, "xen")
        typer.echo(f"{shell.where}: {processor.why}")
        hosting = Hosting(shell, wanted, "")
        if sweep:
            typer.echo(hosting.sweep(deadline) or "nothing was left over")
        for name, kept, state in hosting.list(deadline):
            if every:
                replace(hosting, name=name).end(deadline)
            typer.echo(f"{name}  {state}  {'removed' if every else kept}")
