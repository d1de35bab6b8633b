"""The outer host of nested ones elsewhere: how its libvirt and its files are reached."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from ci.deploy.ssh_errors import SshTarget
from ci.model import Jump, Record, located_login

SYSTEM_FOLDER = "/var/lib/libvirt/images/virtci"
CpuMode = Literal["host-passthrough", "host-model"]


class Outer(Record, frozen=True, kw_only=True):
    """``[hosts.outer]``: ``uri`` is its libvirt, ``qemu+ssh://root@outer.example.org/system``.

    ``key`` and ``known_hosts`` are files, relative to the plan; ``folder`` is ours there, for
    images and disks; ``cpu`` is what a nested host sees of the processor where KVM is used.
    """

    uri: str
    key: str = ""
    known_hosts: str = "~/.ssh/known_hosts"
    folder: str = ""
    cpu: CpuMode = "host-passthrough"

    def __post_init__(self) -> None:
        parts = urlsplit(self.uri)
        _ = parts.port  # a ValueError tells of one that is none
        if parts.scheme != "qemu+ssh" or not parts.hostname:
            raise ValueError(
                f'outer.uri = "{self.uri}" is no libvirt of a host behind SSH; '
                "expected qemu+ssh://root@host/system"
            )
        if parts.path not in ("/system", "/session"):
            raise ValueError(f'outer.uri = "{self.uri}" ends in neither /system nor /session')
        if more := sorted({name for name, _ in parse_qsl(parts.query)} - {"socket"}):
            raise ValueError(
                f'outer.uri: "{more[0]}" is not known here; the login is told by outer.key and '
                "outer.known_hosts"
            )
        if parts.path == "/session" and not self.folder:
            raise ValueError("outer.folder is needed for qemu+ssh://.../session")
        if self.folder and not self.folder.startswith("/"):
            raise ValueError(f'outer.folder = "{self.folder}" is no absolute path')

    def located(self, base: Path) -> Self:
        """With its files as absolute paths."""
        return msgspec.structs.replace(self, **located_login(self, base))

    @property
    def place(self) -> str:
        """Our folder there."""
        return self.folder or SYSTEM_FOLDER

    @property
    def local_uri(self) -> str:
        """Its libvirt as seen from itself."""
        parts = urlsplit(self.uri)
        socket = dict(parse_qsl(parts.query)).get("socket")
        if socket is None:
            return f"qemu://{parts.path}"
        return f"qemu+unix://{parts.path}?socket={quote(socket)}"

    @property
    def jump(self) -> Jump:
        """The login to it, as the way to what is behind it."""
        parts = urlsplit(self.uri)
        return Jump(
            address=parts.hostname or "",
            port=parts.port or 22,
            user=unquote(parts.username or "root"),
            key=self.key,
            known_hosts=self.known_hosts,
        )

    def target(self) -> SshTarget:
        jump = self.jump
        return SshTarget(
            name=jump.address,
            address=jump.address,
            port=jump.port,
            user=jump.user,
            key=jump.key,
            known_hosts=jump.known_hosts,
        )

    def uri_through(self, ssh_command: Path) -> str:
        """Its libvirt from here, with an ``ssh`` that has our options; for ``virsh``."""
        jump = self.jump
        host = f"[{jump.address}]" if ":" in jump.address else jump.address
        parts = urlsplit(self.uri)
        # libvirt's own helper looks at the usual socket alone
        more = f"proxy=netcat&{parts.query}" if parts.query else "proxy=auto"
        command = quote(str(ssh_command), safe="/")
        return (
            f"qemu+ssh://{quote(jump.user)}@{host}:{jump.port}{parts.path}"
            f"?command={command}&no_tty=1&mode=legacy&{more}"
        )
