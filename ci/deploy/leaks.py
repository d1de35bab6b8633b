"""What is on a host before and after a suite: what is left over is a result of its own."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.deploy.daemons import LOCAL_URIS
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.errors import InfraError, ProductError
from ci.model import Access, Record
from ci.run import Step
from ci.shell import Shell

WATCHED_FOLDERS = ("/var/lib/libvirt", "/var/lib/xen", "/run/libvirt", "/etc/libvirt", "/var/crash")
SECONDS = 60.0
# Each line is "kind<TAB>thing"; things are named so that they are the same at another time.
_ASK = r"""
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
tell() { while read -r thing; do [ -n "$thing" ] && printf '%s\t%s\n' "$1" "$thing"; done; }
virsh -q -c "$1" list --all --name 2>/dev/null | tell domain
virsh -q -c "$1" net-list --all --name 2>/dev/null | tell network
virsh -q -c "$1" pool-list --all --name 2>/dev/null | tell pool
xl list 2>/dev/null | while read -r name id rest; do
    [ "$id" = ID ] || echo "$name"; done | tell xen-domain
for node in /local/domain /libxl /vm; do
    xenstore-list "$node" 2>/dev/null | while read -r name; do echo "$node/$name"; done
done | tell xenstore
for exe in /proc/[0-9]*/exe; do
    path=$(readlink "$exe" 2>/dev/null) || continue
    case $path in */qemu-*|*/xl|*/dnsmasq*) tr '\0' ' ' <"${exe%/exe}/cmdline"; echo ;; esac
done | tell process
losetup -l -n -O NAME,BACK-FILE 2>/dev/null | tell loop
ls /dev/mapper 2>/dev/null | while read -r name; do [ "$name" = control ] || echo "$name"
done | tell device-mapper
for bridge in /sys/class/net/*; do
    [ -d "$bridge/bridge" ] && echo "bridge ${bridge##*/}"
    case ${bridge##*/} in vif*|vnet*|tap*) echo "interface ${bridge##*/}" ;; esac
done | tell network-device
shift
find "$@" -xdev \( -type f -o -type s \) 2>/dev/null | tell file
true
"""


class Inventory(Record, frozen=True, kw_only=True):
    """Things by kind."""

    things: dict[str, tuple[str, ...]]

    def flat(self) -> set[str]:
        return {f"{kind}: {thing}" for kind, all_ in self.things.items() for thing in all_}


class Leaks(Record, frozen=True, kw_only=True):
    """What came and stayed, and what went away, as "kind: thing"."""

    left: tuple[str, ...]
    lost: tuple[str, ...]


def inventory(
    shell: Shell, uri: str, deadline: Deadline, *, folders: tuple[str, ...] = WATCHED_FOLDERS
) -> Inventory:
    """Ask in one command. ``uri`` is the libvirt URI as seen on the host itself."""
    argv = ("sh", "-c", _ASK, "virtci", uri, *folders)
    done = shell.run(argv, deadline.within(SECONDS))
    if not done.ok:
        raise InfraError(f"what is on {shell.where} cannot be listed", detail=done.tail(8))
    return parse_inventory(done.stdout)


def parse_inventory(text: str) -> Inventory:
    """Lines of another form are noise of the tools."""
    things: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, tab, thing = line.partition("\t")
        if tab and thing.strip():
            things.setdefault(kind, []).append(thing.strip())
    return Inventory(things={kind: tuple(sorted(all_)) for kind, all_ in things.items()})


def leaks(before: Inventory, after: Inventory, *, ignore: tuple[str, ...] = ()) -> Leaks:
    """The difference, without what begins with one of ``ignore``."""
    came = sorted(after.flat() - before.flat())
    went = sorted(before.flat() - after.flat())
    return Leaks(
        left=tuple(thing for thing in came if not thing.startswith(ignore)),
        lost=tuple(thing for thing in went if not thing.startswith(ignore)),
    )


def take_inventory(step: Step, access: Access) -> Inventory:
    """A step before a suite."""
    with SshShell(target_of(access)) as shell:
        return inventory(shell, LOCAL_URIS[access.hypervisor], step.deadline)


def look_for_leaks(step: Step, access: Access, before: Inventory) -> Leaks:
    """A step after it. Raises ProductError with all that came or went: a result of its own."""
    found = leaks(before, take_inventory(step, access))
    lines = (*(f"+ {thing}" for thing in found.left), *(f"- {thing}" for thing in found.lost))
    if lines:
        raise ProductError(
            f"{len(lines)} things on {access.name} are not as they were: {lines[0]}",
            hint="+ is left over, - is gone; a suite or the product does not tidy up",
            detail="\n".join(lines),
        )
    return found
