"""The hypervisor's own view of the domains, to compare libvirt's list with."""

from __future__ import annotations

import re
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Argv, LocalShell

NAMELESS = "(null)"  # what xl calls a domain that has lost its name
_QEMU_NAME = re.compile(rb"(?:^|,)guest=([^,]+)")


def parse_xl_list(text: str) -> tuple[str, ...]:
    """Names of the guests in ``xl list``; a domain that lost its name is ``(null)``."""
    rows = (line.split() for line in text.splitlines()[1:])
    return tuple(row[0] for row in rows if len(row) >= 6 and row[1] != "0")


def by_command(argv: Argv, seconds: float) -> tuple[str, ...]:
    """All guests by the hypervisor's own tool. Raises InfraError when it fails."""
    done = LocalShell().run(argv, Deadline.after(seconds))
    if not done.ok:
        raise InfraError(
            f"the hypervisor's own list failed with status {done.status}: {argv}",
            detail=done.tail(),
        )
    return parse_xl_list(done.stdout)


def qemu_processes(daemon_pid: int) -> dict[int, str]:
    """The guests of QEMU processes beside this daemon (in its network namespace), by their pid."""
    home = _namespace(Path(f"/proc/{daemon_pid}"))
    found = {int(entry.name): _qemu_guest(entry, home) for entry in Path("/proc").glob("[0-9]*")}
    return {pid: name for pid, name in found.items() if name}


def _namespace(process: Path) -> Path:
    return (process / "ns/net").readlink()


def _qemu_guest(process: Path, home: Path) -> str:
    try:
        command = (process / "cmdline").read_bytes()
        if b"-name\0guest=" not in command or _namespace(process) != home:
            return ""
    except OSError:
        return ""
    words = command.split(b"\0")
    name = _QEMU_NAME.search(words[words.index(b"-name") + 1])
    return name[1].decode() if name else ""
