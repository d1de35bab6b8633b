"""What the commands on hosts of a hosts file share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ci.deploy.pool import PooledHost
from ci.deploy.sshshell import SshShell

SECONDS = 120.0  # for a command that looks, not for one that mends
Name = Annotated[str, typer.Argument(help="Name of a host in the hosts file.")]
File = Annotated[Path, typer.Option("--file", "-f", help="The hosts file.")]
DEFAULT = Path("hosts.toml")


def open_shell(host: PooledHost) -> SshShell:
    return SshShell(host.ssh(Path()).target())
