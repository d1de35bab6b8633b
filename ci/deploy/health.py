"""Whether a host is fit to be leased, and what it is: one command, one look at its libvirt."""

from __future__ import annotations

import re

from ci.deadline import Deadline
from ci.deploy.daemons import LOCAL_URIS
from ci.deploy.identity import MACHINE_ID
from ci.deploy.require import Traits
from ci.errors import InfraError
from ci.facts import parse_os_release, parse_virsh_version, parse_xl_info
from ci.model import Record
from ci.shell import Shell

DAEMON_SECONDS = 30.0
LEAST_FREE_MIB = 512
MOST_SKEW_SECONDS = 300
OURS = re.compile(r"^(virtci|tck|stress)[-_.]")
_ASK = (
    'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; '
    'echo "kernel $(uname -r)"; echo "arch $(uname -m)"; echo "time $(date +%s)"; '
    f'echo "machine_id $({MACHINE_ID})"; '
    'echo "boot_id $(cat /proc/sys/kernel/random/boot_id)"; echo "cpus $(nproc)"; '
    'echo "firmware $([ -d /sys/firmware/efi ] && echo uefi || echo bios)"; '
    'echo "kvm $([ -e /dev/kvm ] && echo yes)"; '
    "while read -r name kib rest; do "
    '[ "$name" = MemTotal: ] && echo "memory $((kib / 1024))MiB"; done </proc/meminfo; '
    "df -P -k / /var/lib /var/lib/virtci 2>/dev/null | while read -r fs size used free rest; do "
    'case $free in *[0-9]) echo "free $((free / 1024))MiB" ;; esac; done; '
    "echo os; cat /etc/os-release 2>/dev/null; echo xl; xl info 2>/dev/null; true"
)


class Health(Record, frozen=True, kw_only=True):
    """``problems`` are sentences; none means fit. ``facts`` are for requirements and for people."""

    host: str
    problems: tuple[str, ...]
    facts: dict[str, str] = {}

    def traits(self, labels: tuple[str, ...]) -> Traits:
        return Traits(labels=frozenset(labels), facts=self.facts)


def check(shell: Shell, hypervisor: str, deadline: Deadline) -> Health:
    """Look at a host. Never raises for a sick one: what is wrong with it is in ``problems``."""
    facts: dict[str, str] = {}
    try:
        done = shell.run(("sh", "-c", _ASK), deadline)
        facts = parse_health(done.stdout)
        problems = list(_problems(facts, now=deadline.clock.wall()))
        problems += _libvirt(shell, hypervisor, facts, deadline)
    except InfraError as error:
        # With facts it answered, but its libvirt hangs.
        return Health(host=shell.where, problems=(error.message,), facts=facts)
    return Health(host=shell.where, problems=tuple(problems), facts=facts)


def parse_health(text: str) -> dict[str, str]:
    """The facts of the answer; ``free`` is the least of the folders asked for."""
    own, _, rest = text.partition("\nos\n")
    release, _, xl = rest.partition("\nxl\n")
    facts: dict[str, str] = {}
    for line in own.splitlines():
        key, _, value = line.partition(" ")
        if value and (key != "free" or _mib(value) < _mib(facts.get("free", value + "0"))):
            facts[key] = value.strip()
    facts["distribution"] = parse_os_release(release).get("ID", "")
    if info := parse_xl_info(xl):
        facts |= {"xen": info.version, "cpus": str(info.cpus), "memory": f"{info.memory_mib}MiB"}
        facts |= {capability.split("-")[0]: "yes" for capability in info.capabilities}
        facts["xen"] = info.version
    return {key: value for key, value in facts.items() if value}


def _mib(size: str) -> int:
    return int(re.sub(r"\D", "", size) or 0)


def _problems(facts: dict[str, str], *, now: float) -> list[str]:
    """What the plain facts say; ``now`` is our own clock."""
    problems = []
    if "boot_id" not in facts:
        return ["it does not say what it is; is its login shell a POSIX shell?"]
    if _mib(facts.get("free", "0")) < LEAST_FREE_MIB:
        problems.append(f"only {facts.get('free', '0MiB')} of disk are free")
    skew = abs(int(facts.get("time", "0")) - now)
    if skew > MOST_SKEW_SECONDS:
        problems.append(f"its clock is {skew:.0f} s off ours")
    return problems


def _libvirt(shell: Shell, hypervisor: str, facts: dict[str, str], deadline: Deadline) -> list[str]:
    """Adds what libvirt tells to the facts; returns what is wrong with it."""
    if hypervisor == "xen" and "xen" not in facts:
        return ["it does not run Xen"]
    uri = LOCAL_URIS[hypervisor]
    limit = deadline.within(DAEMON_SECONDS)
    done = shell.run(("virsh", "-c", uri, "version", "--daemon"), limit, env={"LC_ALL": "C"})
    version = parse_virsh_version(done.stdout)
    if not done.ok or version is None:
        return [f"libvirt does not answer on {uri}: {done.tail(2)}"]
    facts["libvirt"] = version.daemon or version.library
    if hypervisor == "test":
        return []
    listed = shell.run(("virsh", "-c", uri, "list", "--name"), limit)
    names = [name for name in listed.stdout.split("\n") if name and name != "Domain-0"]
    foreign = sorted(name for name in names if not OURS.match(name))
    return [f"foreign guests run there: {', '.join(foreign)[:200]}"] if foreign else []
