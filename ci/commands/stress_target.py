"""What ``virtci stress`` is told of a connection besides its URI."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
import typer

from ci.commands.suite_options import words
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.guest.build import build_guest
from ci.launch.target import Target
from ci.pipelines.target import target_at
from ci.shell import LocalShell

GUEST_SECONDS = 900.0
LOCAL = re.compile(r"qemu(\+unix)?:")  # drivers that read kernel and initrd on this machine
WITHOUT_GUESTS = re.compile(r"test(\+\w+)?:")
ON_XEN_HOSTS = "/var/lib/virtci/guest"  # where a nested host has its guest


@dataclass(frozen=True)
class Reach:
    """Commands are as the user wrote them; an empty one leaves what the URI tells."""

    uri: str
    kernel: str
    initrd: str
    hypervisor_list: str
    daemon_probe: str
    inventory: str
    daemon_restart: str
    destination: str
    migrate_uri: str

    def target(self) -> Target:
        """Raises UsageError. A guest is built where the connection wants one and none is named."""
        kernel, initrd = self._guest()
        reached = target_at(self.uri, kernel=kernel, initrd=initrd)
        return msgspec.structs.replace(
            reached,
            hypervisor_list=words("--hypervisor-list", self.hypervisor_list)
            or reached.hypervisor_list,
            daemon_probe=words("--daemon-probe", self.daemon_probe) or reached.daemon_probe,
            inventory=words("--inventory", self.inventory) or reached.inventory,
            daemon_restart=words("--daemon-restart", self.daemon_restart),
            destination=self.destination,
            migrate_uri=self.migrate_uri,
        )

    def _guest(self) -> tuple[str, str]:
        """QEMU on this machine boots our own guest; a Xen host has it where it was made."""
        if not self.uri:
            raise UsageError("which connection?", hint="virtci stress test:///default -n 1000")
        if WITHOUT_GUESTS.match(self.uri) or (self.kernel and self.initrd):
            return self.kernel, self.initrd
        if not LOCAL.match(self.uri):
            return f"{ON_XEN_HOSTS}/vmlinux", f"{ON_XEN_HOSTS}/initrd"
        made = build_guest(LocalShell(), Deadline.after(GUEST_SECONDS), say=typer.echo)
        return made.kernel, made.initrd
