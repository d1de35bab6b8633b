"""What a host is, as far as installing packages needs to know: asked in one command."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.facts import parse_os_release
from ci.model import Record
from ci.shell import Shell

RESTART_PROGRAM = "/usr/lib/virtci/restart-daemons"  # part of the nested hosts' image
_PROGRAMS = ("zypper", "dnf", "rpm", "dpkg", "ldconfig", "systemctl", "snapper")
_ASK = (
    'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; '
    'for name do command -v "$name" >/dev/null 2>&1 && echo "program $name"; done; '
    f'[ -x {RESTART_PROGRAM} ] && echo "program {RESTART_PROGRAM}"; '
    '[ -d /run/systemd/system ] && echo "systemd yes"; '
    'echo "boot $(cat /proc/sys/kernel/random/boot_id)"; echo "kernel $(uname -r)"; '
    'echo "arch $(uname -m)"; cat /etc/os-release 2>/dev/null; true'
)


class HostFacts(Record, frozen=True, kw_only=True):
    """``programs`` are those of interest that are there; ``distribution`` is ID of os-release."""

    distribution: str
    programs: frozenset[str]
    systemd: bool
    kernel: str
    arch: str
    boot_id: str

    @property
    def foreign(self) -> bool:
        """Whether another package system owns this machine, so that rpm knows none of its files."""
        return "dpkg" in self.programs and "rpm" in self.programs


def host_facts(shell: Shell, deadline: Deadline) -> HostFacts:
    """Ask the host. Raises InfraError when its answer makes no sense."""
    done = shell.run(("sh", "-c", _ASK, "virtci", *_PROGRAMS), deadline)
    facts = parse_host_facts(done.stdout)
    if facts is None:
        raise InfraError(f"{shell.where} does not say what it is", detail=done.tail())
    return facts


def parse_host_facts(text: str) -> HostFacts | None:
    """None when the boot id or the kernel is missing."""
    answers = [line.split(maxsplit=1) for line in text.splitlines() if "=" not in line]
    pairs = [(words[0], words[1]) for words in answers if len(words) == 2]
    values = dict(pairs)
    if "boot" not in values or "kernel" not in values:
        return None
    return HostFacts(
        distribution=parse_os_release(text).get("ID", "unknown"),
        programs=frozenset(value for key, value in pairs if key == "program"),
        systemd=values.get("systemd") == "yes",
        kernel=values["kernel"],
        arch=values.get("arch", ""),
        boot_id=values["boot"],
    )
