"""``virtci hosts``: a shared pool of machines, and images of nested hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ci.commands import hosts_cure, hosts_lease, hosts_outer, hosts_pool, hosts_standing
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.nested.image import build_image, images_folder, list_images, remove_image, size_mib
from ci.nested.recipe import Flavour
from ci.shell import LocalShell

FLAVOURS: dict[str, Flavour] = {"xen": "xen", "kvm": "kvm"}
BUILD_SECONDS = 1800.0
REMOVE_SECONDS = 300.0

app = typer.Typer(help="Hosts: a shared pool, and nested ones.", no_args_is_help=True)
image = typer.Typer(help="Images of nested hosts, kept in the cache.", no_args_is_help=True)
app.add_typer(image, name="image")
app.add_typer(hosts_pool.app)
app.add_typer(hosts_lease.app)
app.add_typer(hosts_cure.app)
app.add_typer(hosts_standing.app)
app.add_typer(hosts_outer.app)


@app.callback()
def hosts() -> None:
    """Hosts: lease, check and recover those of a file; build the images of nested ones."""


@image.command()
def build(
    flavour: Annotated[
        str, typer.Argument(help=f"What runs on it: {' or '.join(FLAVOURS)}.")
    ] = "xen",
) -> None:
    """Build the image of a Xen or KVM host, unless it is in the cache; a minute or two."""
    if flavour not in FLAVOURS:
        raise UsageError(f'"{flavour}" is no flavour of nested host', hint=", ".join(FLAVOURS))
    console = Console(stderr=True, highlight=False)
    deadline = Deadline.after(BUILD_SECONDS)
    made = build_image(
        LocalShell(),
        deadline,
        say=lambda text: console.print(escape(text)),
        flavour=FLAVOURS[flavour],
    )
    typer.echo(made.folder)


@image.command("list")
def list_() -> None:
    """List the images in the cache."""
    console = Console(highlight=False)
    images = list_images()
    if not images:
        console.print(f"no images in {escape(str(images_folder()))}; virtci hosts image build")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("image", "dom0 kernel", "MiB", "built in"):
        table.add_column(column, overflow="fold")
    for found in images:
        mib = size_mib(Path(found.folder))
        table.add_row(found.key, found.kernel, f"{mib}", f"{found.seconds:.0f} s")
    console.print(table)
    typer.echo(f"in {images_folder()}")


@image.command()
def rm(
    key: Annotated[str, typer.Argument(help="Name of the image, as `list` shows it.")] = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="All images, and the packages.")] = False,
) -> None:
    """Remove an image, or with --all everything that was cached for images."""
    deadline = Deadline.after(REMOVE_SECONDS)
    if not key and not every:
        raise typer.BadParameter("name an image, or say --all")
    names = [path.name for path in images_folder().iterdir() if path.is_dir()] if every else [key]
    for name in names:
        if not name.startswith("."):
            remove_image(name, deadline, say=typer.echo)
            typer.echo(f"removed {name}")
