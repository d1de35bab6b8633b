"""Host kind ``ssh``: any machine that a login reaches, with its hypervisor already running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from msgspec import Meta, structs

from ci.deadline import Deadline
from ci.deploy.boot import BOOT_ID, boot_into
from ci.deploy.daemons import hypervisor_version, wait_for_answer
from ci.deploy.host_facts import host_facts
from ci.deploy.idle import IDLE
from ci.deploy.ssh_errors import SshTarget, target_of
from ci.deploy.sshshell import SshShell
from ci.errors import UsageError, VirtciError
from ci.model import Access, Jump, Record, located_login
from ci.run import Step
from ci.shell import Shell, must
from ci.ssh_uri import connection_uri, write_ssh_command

USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


class SshHost(Record, frozen=True, kw_only=True, tag_field="kind", tag="ssh"):
    """``[[hosts]] kind = "ssh"``. ``key`` and ``known_hosts`` are files, relative to the plan.

    ``uri`` replaces the libvirt URI that follows from the rest. With ``boot_entry`` it is booted
    anew first, once into that entry of its boot menu (Xen, plain KVM ...). ``through`` is a host
    in between; the address is one that it sees.
    """

    name: str
    address: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 22
    user: str = "root"
    key: str = ""
    known_hosts: str = "~/.ssh/known_hosts"
    hypervisor: Literal["xen", "qemu", "test"] = "xen"
    uri: str = ""
    boot_entry: str = ""
    through: Jump | None = None

    def located(self, base: Path) -> Self:
        """With its files as absolute paths."""
        through = self.through and self.through.located(base)
        return structs.replace(self, **located_login(self, base), through=through)

    def decided(self) -> tuple[str, ...]:
        port = "" if self.port == 22 else f" port {self.port}"
        way = f" through {self.through.address}" if self.through else ""
        anew = f'boot it once into "{self.boot_entry}", ' if self.boot_entry else ""
        login = f"log in to {self.user}@{self.address}{port}{way}"
        return (f"{login}, {anew}see that {self.hypervisor} runs there",)

    def acquire(self, step: Step) -> Access:
        """Log in and look. Raises InfraError when its hypervisor or libvirt does not answer."""
        key = self.key or usual_key()
        with SshShell(self.target(key)) as shell:
            if self.boot_entry:
                boot_into(shell, self.boot_entry, step.deadline)
            facts = host_facts(shell, step.deadline)
            below = look(shell, self.hypervisor, step.deadline)
        step.say(f"{self.name}: {below}, Linux {facts.kernel}, {facts.distribution}")
        return Access(
            name=self.name,
            address=self.address,
            port=self.port,
            user=self.user,
            key=key,
            known_hosts=self.known_hosts,
            hypervisor=self.hypervisor,
            uri=self._uri(key, step.folder),
            boot_id=facts.boot_id,
            through=self.through,
        )

    def _uri(self, key: str, folder: Path) -> str:
        """Its libvirt over SSH, by a script in ``folder`` that holds our options."""
        command = write_ssh_command(
            folder, key=key, known_hosts=self.known_hosts, through=self.through
        )
        return self.uri or connection_uri(
            self.hypervisor,
            user=self.user,
            address=self.address,
            port=self.port,
            ssh_command=command.absolute(),
        )

    def still_up(self, access: Access, deadline: Deadline) -> bool:
        """Whether it can be reached and was not booted since."""
        try:
            with SshShell(self.target(access.key)) as shell:
                return must(shell, BOOT_ID, deadline).strip() == access.boot_id
        except VirtciError:
            return False

    def release(self, access: Access, deadline: Deadline) -> None:
        """It was there before us; only our connections to it are ended."""
        IDLE.forget(target_of(access))

    def target(self, key: str = "") -> SshTarget:
        """The login; without a key of its own the user's usual one."""
        return SshTarget(
            name=self.name,
            address=self.address,
            port=self.port,
            user=self.user,
            key=key or self.key or usual_key(),
            known_hosts=self.known_hosts,
            through=self.through,
        )


def look(shell: Shell, hypervisor: str, deadline: Deadline) -> str:
    """See that the hypervisor runs and that its libvirt answers; return its version."""
    if hypervisor == "xen":
        hypervisor_version(shell, hypervisor, None, deadline)
    version = wait_for_answer(shell, hypervisor, deadline)
    return version.hypervisor


def usual_key() -> str:
    """The user's own key file; libvirt's connection needs one, so that an agent is not enough."""
    for name in USUAL_KEYS:
        path = Path.home() / ".ssh" / name
        if path.exists():
            return str(path)
    raise UsageError(
        "no SSH key of this user was found in ~/.ssh",
        hint='make one (ssh-keygen -t ed25519), or name one in the plan: key = "..."',
    )
