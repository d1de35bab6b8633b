"""How ``ssh`` and libvirt's own SSH transport reach a host: strict host keys, one key, no prompts.

libvirt cannot be told a known_hosts file for the ``ssh`` program, so its ``command`` parameter
names a small script of ours that adds our options.
"""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

from ci.model import Access, Jump
from ci.places import socket_folder
from ci.shell import Argv

Hypervisor = Literal["xen", "qemu", "test"]
CONNECT_SECONDS = 20
SHARED_SECONDS = 60
MOST_FOLDER = 70  # of the 107 letters of a socket's path; ours and ssh's own endings need the rest
_PATHS: dict[str, str] = {"xen": "/system", "qemu": "/system", "test": "/default"}


def ssh_options(*, key: str, known_hosts: str, through: Jump | None = None) -> Argv:
    """Options for ``ssh`` that leave nothing to the user's own configuration.

    Without a key the agent and the user's usual keys are asked.
    """
    only = (f"IdentityFile={_config_word(key)}", "IdentitiesOnly=yes", "IdentityAgent=none")
    settings = (
        f"UserKnownHostsFile={_config_word(known_hosts)}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        *(only if key else ()),
        "BatchMode=yes",
        f"ConnectTimeout={CONNECT_SECONDS}",
        "ServerAliveInterval=10",
        "ServerAliveCountMax=6",
        *((f"ProxyCommand={_proxy(through)}",) if through else ()),
    )
    return ("-F", "/dev/null", *(part for setting in settings for part in ("-o", setting)))


def _proxy(jump: Jump) -> str:
    """What ssh runs to get to the other side of a host; a shell reads it after ssh filled in."""
    options = ssh_options(key=jump.key, known_hosts=jump.known_hosts)
    where = ("-p", str(jump.port), f"{jump.user}@{jump.address}")
    return shlex.join(("ssh", *options)).replace("%", "%%") + f" -W '[%h]:%p' {shlex.join(where)}"


def ssh_argv(access: Access, *command: str) -> Argv:
    """The ``ssh`` that runs a command on a host that is up."""
    options = ssh_options(key=access.key, known_hosts=access.known_hosts, through=access.through)
    return ("ssh", *options, "-p", str(access.port), f"{access.user}@{access.address}", *command)


def shared_ssh_argv(access: Access, *command: str) -> Argv:
    """The same over one connection, which all these commands to this boot of the host share.

    It ends a minute after the last of them. A new one costs an emulated host a second. ssh connects
    as usual where it cannot be shared.
    """
    program, *options = ssh_argv(access)
    folder = socket_folder()
    if folder is None or len(str(folder)) > MOST_FOLDER:
        return (program, *options, *command)
    told = "\0".join((*options, access.boot_id))
    path = _config_word(str(folder / hashlib.sha256(told.encode()).hexdigest()[:16]))
    shared = ("ControlMaster=auto", f"ControlPath={path}", f"ControlPersist={SHARED_SECONDS}")
    return (program, *(part for setting in shared for part in ("-o", setting)), *options, *command)


def known_hosts_line(address: str, port: int, public_key: str) -> str:
    """The line for a host whose public key (``ssh-ed25519 AAAA...``) is known beforehand."""
    name = address if port == 22 else f"[{address}]:{port}"
    kind, key = public_key.split()[:2]
    return f"{name} {kind} {key}\n"


def write_ssh_command(
    folder: Path, *, key: str, known_hosts: str, through: Jump | None = None, name: str = "ssh"
) -> Path:
    """Write ``folder``/ssh, a program that is ``ssh`` with our options; return its path."""
    script = folder / name
    options = shlex.join(ssh_options(key=key, known_hosts=known_hosts, through=through))
    script.write_text(f'#!/bin/sh\nexec ssh {options} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def connection_uri(
    hypervisor: Hypervisor, *, user: str, address: str, port: int, ssh_command: Path
) -> str:
    """The libvirt URI of a host's hypervisor over SSH through the program ``ssh_command``."""
    host = f"[{address}]" if ":" in address else address
    query = urlencode(
        {"command": str(ssh_command), "no_tty": "1", "proxy": "netcat", "mode": "legacy"},
        quote_via=quote,
        safe="/",
    )
    authority = f"{quote(user)}@{host}:{port}"
    return f"{hypervisor}+ssh://{authority}{_PATHS[hypervisor]}?{query}"


def _config_word(path: str) -> str:
    """A path as a value in ssh's configuration: quoted, percent signs doubled."""
    return '"' + path.replace("%", "%%") + '"'
