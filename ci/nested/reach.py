"""How a nested host is reached: SSH on a forwarded port of loopback, here or on an outer host."""

from __future__ import annotations

from pathlib import Path

from ci.model import Access, Jump
from ci.nested.image import Image
from ci.nested.recipe import DRIVERS, Flavour
from ci.ssh_uri import connection_uri, known_hosts_line, write_ssh_command

LOOPBACK = "127.0.0.1"  # of the machine that it runs on: nobody else sees the port
USER = "root"


def access_to(
    name: str,
    flavour: Flavour,
    image: Image,
    *,
    port: int,
    folder: Path,
    console: Path,
    through: Jump | None = None,
) -> Access:
    """How the host will be reached, before it is known to be up; ssh's files go to ``folder``."""
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(known_hosts_line(LOOPBACK, port, image.host_key), encoding="ascii")
    key, known = image.client_key, str(known_hosts)
    command = write_ssh_command(folder, key=key, known_hosts=known, through=through)
    hypervisor = DRIVERS[flavour]
    return Access(
        name=name,
        address=LOOPBACK,
        port=port,
        user=USER,
        key=key,
        known_hosts=known,
        hypervisor=hypervisor,
        uri=connection_uri(hypervisor, user=USER, address=LOOPBACK, port=port, ssh_command=command),
        boot_id="",
        console=str(console),
        through=through,
    )
