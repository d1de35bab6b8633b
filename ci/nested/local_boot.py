"""Bringing a nested host up on this machine: QEMU starts, and its libvirt answers."""

from __future__ import annotations

import socket

from ci.deadline import Deadline, wait_until
from ci.errors import InfraError, UsageError
from ci.model import Access
from ci.nested import process
from ci.nested.qemu import Machine, launch_command
from ci.nested.reach import LOOPBACK
from ci.shell import Shell
from ci.ssh_uri import ssh_argv

END_SECONDS = 30.0
LAUNCH_SECONDS = 20.0
GREETING_SECONDS = 20.0
PORT_TRIES = 5
_READY = "/usr/lib/virtci/ready"
_PORT_TAKEN = "Could not set up host forwarding rule"
_TAIL_LINES = 30


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def launched(machine: Machine, shell: Shell, deadline: Deadline) -> bool:
    """Start QEMU; False when the port was taken. Raises InfraError when it does not start."""
    if _listens(machine.port):
        return False
    limit = deadline.within(LAUNCH_SECONDS)
    done = shell.run(launch_command(machine), limit, log=machine.log)
    if done.ok:
        wait_until("QEMU's start", lambda: _started(machine), limit, every=0.1)
    log = machine.log.read_text(errors="replace")
    if done.ok and process.running(machine.pidfile):
        return True
    if _PORT_TAKEN in log:
        return False
    hint = "apt-get install qemu-system-x86 util-linux coreutils"
    raise InfraError("QEMU does not start", hint=hint, detail=log.strip() or done.tail(5))


def _started(machine: Machine) -> bool:
    """It listens, or it has said why not. QEMU opens its port last, after its pid file."""
    if machine.log.stat().st_size:
        return not process.running(machine.pidfile)
    return bool(process.running(machine.pidfile)) and _listens(machine.port)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def explain_port(wanted: int, port: int, attempt: int) -> None:
    """Raises UsageError when ``port`` was ``wanted``, InfraError after the last attempt."""
    if wanted:
        raise UsageError(
            f"port {port} of {LOOPBACK} is taken, so the nested host cannot have its SSH there",
            hint="leave ssh_port out of the plan, then any free port is used",
        )
    if attempt == PORT_TRIES:
        raise InfraError(f"{PORT_TRIES} ports that were free a moment ago were taken by others")


def await_libvirt(machine: Machine, access: Access, shell: Shell, deadline: Deadline) -> str:
    """The boot id that the host tells over SSH once its libvirtd answers."""
    try:
        wait_until("SSH of the nested host", lambda: _answers(machine), deadline, every=0.5)
        done = shell.run(ssh_argv(access, _READY), deadline)
    except InfraError as error:
        raise _not_up(machine, error.message) from None
    facts = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    if not done.ok or "boot_id" not in facts:
        raise _not_up(machine, done.tail(10))
    return facts["boot_id"].strip()


def _answers(machine: Machine) -> bool:
    """Whether sshd greets. Raises InfraError when QEMU has ended."""
    if not process.running(machine.pidfile):
        raise InfraError("QEMU ended by itself")
    try:
        # QEMU takes the connection at once; a host under load is slow to greet
        with socket.create_connection((LOOPBACK, machine.port), timeout=GREETING_SECONDS) as probe:
            return probe.recv(4).startswith(b"SSH-")
    except OSError:
        return False


def _not_up(machine: Machine, why: str) -> InfraError:
    console = machine.console
    text = console.read_text(errors="replace").replace("\r", "") if console.exists() else ""
    tail = "\n".join(text.splitlines()[-_TAIL_LINES:])
    log = machine.log.read_text(errors="replace").strip()
    return InfraError(
        f"the nested host {machine.name} did not come up: {why}",
        hint=f"its whole console is in {console}",
        detail=f"{log}\n{tail}".strip() or "the console is empty",
    )


def end(machine: Machine) -> None:
    """End a host that did not come up, whatever is left of the step's time."""
    process.end(machine.pidfile, Deadline.after(END_SECONDS))
