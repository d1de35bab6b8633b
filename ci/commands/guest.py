"""``virtci guest``: the tiny guest."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape

from ci.deadline import Deadline
from ci.guest.build import build_guest
from ci.shell import LocalShell

BUILD_SECONDS = 600.0

app = typer.Typer(help="The tiny guest.", no_args_is_help=True)


@app.callback()
def guest() -> None:
    """The tiny guest that is looped: a kernel and an initrd."""


@app.command()
def build() -> None:
    """Build the guest from Debian's packages, unless it is in the cache; show where it lies."""
    console = Console(stderr=True, highlight=False)
    deadline = Deadline.after(BUILD_SECONDS)
    made = build_guest(LocalShell(), deadline, say=lambda text: console.print(escape(text)))
    for name in ("kernel", "vmlinuz", "initrd"):
        path, digest = getattr(made, name), getattr(made, f"{name}_sha256")
        typer.echo(f"{name:8} {path}  sha256 {digest}")
