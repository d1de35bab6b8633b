"""Where an SSH host is, and the one sentence for each way in which reaching it fails."""

from __future__ import annotations

import socket

from ci.errors import InfraError, TimedOut, UsageError
from ci.model import Access, Jump, Record


class SshTarget(Record, frozen=True, kw_only=True):
    """A login. An empty ``key`` means the agent's and the user's own keys.

    With ``through`` the address is one that the host in between sees.
    """

    name: str
    address: str
    port: int = 22
    user: str = "root"
    key: str = ""
    known_hosts: str = "~/.ssh/known_hosts"
    through: Jump | None = None

    @property
    def place(self) -> str:
        """The host as known_hosts names it."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"


def target_of(access: Access) -> SshTarget:
    return SshTarget(
        name=access.name,
        address=access.address,
        port=access.port,
        user=access.user,
        key=access.key,
        known_hosts=access.known_hosts,
        through=access.through,
    )


def between(target: SshTarget, jump: Jump) -> SshTarget:
    """The login to the host in between."""
    return SshTarget(
        name=f"{jump.address} (in front of {target.name})",
        address=jump.address,
        port=jump.port,
        user=jump.user,
        key=jump.key,
        known_hosts=jump.known_hosts,
    )


def unknown_host_key(target: SshTarget, algorithm: str, fingerprint: str) -> UsageError:
    return UsageError(
        f"{target.name}: the host key of {target.place} is not in {target.known_hosts}",
        hint=f"it shows the {algorithm} key {fingerprint}; compare that on the host itself "
        f"(ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then: "
        f"ssh-keyscan -p {target.port} {target.address} >> {target.known_hosts}",
    )


def changed_host_key(target: SshTarget, offered: str, known: str) -> InfraError:
    return InfraError(
        f"{target.name}: the host key of {target.place} has changed; nothing was sent to it",
        hint=f"if the host was installed anew: ssh-keygen -f {target.known_hosts} "
        f"-R '{target.place}', then enter its new key; else somebody else answers there",
        detail=f"known   {known}\noffered {offered}",
    )


def refused_login(target: SshTarget) -> UsageError:
    what = f"the key {target.key}" if target.key else "any key of the agent or of ~/.ssh"
    identity = f" -i {target.key}" if target.key else ""
    return UsageError(
        f"{target.name}: {target.user}@{target.place} does not accept {what}",
        hint=f"ssh-copy-id{identity} -p {target.port} {target.user}@{target.address}",
    )


def forwarding_refused(target: SshTarget) -> UsageError:
    return UsageError(
        f"{target.name}: the host in between, {target.through and target.through.address}, does "
        "not forward connections",
        hint="its sshd needs: AllowTcpForwarding local, and PermitOpen must not exclude "
        f"{target.address}:{target.port}",
    )


def key_trouble(target: SshTarget, what: str, *, protected: bool = False) -> UsageError:
    hint = (
        f'ssh-add {target.key} and leave "key" out to use the agent, or use a key without one'
        if protected
        else "name the private key's file, not the public one's"
    )
    return UsageError(f"{target.name}: the key {target.key} {what}", hint=hint)


def unreachable(target: SshTarget, error: Exception) -> InfraError:
    place = f"{target.address} port {target.port}"
    if target.through:
        place += f" of {target.through.address}"
    text = str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        return InfraError(
            f'{target.name}: the name "{target.address}" is not known',
            hint="see the host's address in the plan, and this machine's name service",
            detail=text,
        )
    if isinstance(error, ConnectionRefusedError):
        return InfraError(
            f"{target.name}: nothing listens on {place}",
            hint="is the host up, and sshd with it? see its console",
        )
    if isinstance(error, TimeoutError) or "timeout" in text.lower() or "timed out" in text.lower():
        return TimedOut(
            f"{target.name}: no SSH answer from {place} in time",
            hint="is the host up and reachable from here? see its console",
            detail=text,
        )
    return InfraError(
        f"{target.name}: no SSH session with {place}: {text}",
        hint="see the host's console and its sshd",
    )
