"""The hosts file: machines that laptops, Jenkins jobs and triggers share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ci.codec import decode, parse_toml, read_text
from ci.deploy.power import Power
from ci.deploy.sshhost import SshHost
from ci.errors import UsageError
from ci.model import Access, Jump, Record
from ci.ssh_uri import Hypervisor

LABEL = r"^[A-Za-z0-9][\w.+:-]{0,63}$"


class PooledHost(Record, frozen=True, kw_only=True):
    """One ``[[hosts]]`` of a hosts file: how to reach it, what it is, how to switch its power.

    ``machine_id`` is written by ``virtci hosts enroll``; nothing destructive is done to a machine
    with another one. ``reprovision`` is a command of this machine that installs it anew.
    """

    name: Annotated[str, Meta(pattern=LABEL)]
    address: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 22
    user: str = "root"
    key: str = ""
    known_hosts: str = "~/.ssh/known_hosts"
    hypervisor: Literal["xen", "qemu", "test"] = "xen"
    uri: str = ""
    boot_entry: str = ""
    through: Jump | None = None
    labels: tuple[Annotated[str, Meta(pattern=LABEL)], ...] = ()
    machine_id: str = ""
    power: Power | None = None
    reprovision: tuple[str, ...] = ()

    def ssh(self, base: Path) -> SshHost:
        """The same as a host of kind ssh, with its files as absolute paths."""
        return SshHost(
            name=self.name,
            address=self.address,
            port=self.port,
            user=self.user,
            key=self.key,
            known_hosts=self.known_hosts,
            hypervisor=self.hypervisor,
            uri=self.uri,
            boot_entry=self.boot_entry,
            through=self.through,
        ).located(base)


def pooled(access: Access, hypervisor: Hypervisor) -> PooledHost:
    """A host that is up as one of a hosts file, which knows no more of it than its login."""
    return PooledHost(
        name=access.name,
        address=access.address,
        port=access.port,
        user=access.user,
        key=access.key,
        known_hosts=access.known_hosts,
        hypervisor=hypervisor,
        through=access.through,
    )


class HostsFile(Record, frozen=True, kw_only=True):
    """The whole file. Keys and known_hosts files lie relative to it."""

    hosts: tuple[PooledHost, ...]


def load_hosts(path: Path) -> tuple[PooledHost, ...]:
    """Every host of a file. Raises UsageError with file, line and key."""
    text = read_text(path)
    hosts = decode(parse_toml(text, path), HostsFile, source=str(path), text=text).hosts
    names = [host.name for host in hosts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f'{path}: two hosts are named "{twice[0]}"')
    base = path.absolute().parent
    return tuple(msgspec.structs.replace(host, **_files(host, base)) for host in hosts)


def _files(host: PooledHost, base: Path) -> dict[str, Any]:
    located = host.ssh(base)
    through = located.through
    return {"key": located.key, "known_hosts": located.known_hosts, "through": through}


def named(hosts: tuple[PooledHost, ...], name: str) -> PooledHost:
    """Raises UsageError with the names there are."""
    for host in hosts:
        if host.name == name:
            return host
    known = ", ".join(host.name for host in hosts) or "none"
    raise UsageError(f'no host is named "{name}"', hint=f"there are: {known}")
