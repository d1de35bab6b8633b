"""``virtci hosts up`` and ``down``: a nested host by hand, without a plan."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ci.codec import decode
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.nested.boot import NestedHost
from ci.nested.entry import FILE
from ci.nested.standing import bring_up, folder_of, names, take_down

UP_SECONDS = 1800.0  # with the image, when it is not in the cache
DOWN_SECONDS = 60.0
DEFAULTS = NestedHost()
Name = Annotated[str, typer.Argument(help="What the host is called here.")]

app = typer.Typer()


@app.command()
def up(
    name: Name = "xen",
    *,
    hypervisor: Annotated[str, typer.Option(help="xen or kvm.")] = DEFAULTS.hypervisor,
    memory_mib: Annotated[int, typer.Option(help="Of the whole host.")] = DEFAULTS.memory_mib,
    dom0_mib: Annotated[int, typer.Option(help="Xen alone.")] = DEFAULTS.dom0_mib,
    cpus: Annotated[int, typer.Option(help="Virtual processors.")] = DEFAULTS.cpus,
    wire: Annotated[int, typer.Option(help="Number on the wire; 0: none.")] = DEFAULTS.wire,
    minutes: Annotated[
        int, typer.Option(help="It ends itself after so many.")
    ] = DEFAULTS.minutes_to_live,
) -> None:
    """Boot a nested host that stays up, and print its connection URI."""
    data = {
        "kind": "nested", "name": name, "hypervisor": hypervisor, "memory_mib": memory_mib,
        "dom0_mib": dom0_mib, "cpus": cpus, "wire": wire, "minutes_to_live": minutes,
    }  # fmt: skip
    host = decode(data, NestedHost, source="virtci hosts up")
    say = Console(stderr=True, highlight=False)
    access = bring_up(host, Deadline.after(UP_SECONDS), lambda text: say.print(escape(text)))
    say.print(escape(f"its hosts file is {folder_of(name) / FILE}"), soft_wrap=True)
    typer.echo(access.uri)


@app.command()
def down(
    name: Annotated[str, typer.Argument(help="What the host is called here.")] = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="All that are up.")] = False,
) -> None:
    """End a nested host that `up` has booted, and remove its files."""
    if bool(name) == every:
        raise UsageError("which host is to end?", hint=f"name one, or say --all; {_there()}")
    for wanted in names() if every else (name,):
        if not take_down(wanted, Deadline.after(DOWN_SECONDS), typer.echo):
            raise UsageError(f'no host "{wanted}" was brought up here', hint=_there())
        typer.echo(f"{wanted} is down")


def _there() -> str:
    return f"there are: {', '.join(names()) or 'none'}"
