"""From a host that is up to what the suites are told of it."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote

from ci.errors import UsageError
from ci.launch.target import Target
from ci.model import Access
from ci.pipelines.guest import GuestFiles
from ci.ssh_uri import shared_ssh_argv, ssh_argv
from ci.urls import parts_of

_FIND = (
    "for f in /run/libvirtd.pid /run/virtxend.pid /run/virtqemud.pid; do"
    " [ -s $f ] && p=$(cat $f) && [ -d /proc/$p ] && {} && exit 0; done; exit 1"
)
DAEMON_PROBE = _FIND.format(
    "set -- $(grep -E '^(Threads|VmRSS):' /proc/$p/status | tr -dc '0-9\\n') && "
    "echo $p $(cut -d' ' -f22 /proc/$p/stat) $(ls /proc/$p/fd | wc -l) $2 $1"
)
MOST_PICTURES = 3
# It also leaves a core where cores lie, to be read elsewhere with the symbols that the host lacks
DAEMON_BACKTRACE = _FIND.format(
    "{ case $(sed 's/.*) //; s/ .*//' /proc/$p/stat) in T)"
    ' echo "process $p ($(cat /proc/$p/comm)) is stopped: it was sent SIGSTOP";; esac;'
    " mkdir -p /var/crash; set -- /var/crash/core.hang.*; core=; "
    f"[ $# -ge {MOST_PICTURES} ] || "
    "core=/var/crash/core.hang.$(cat /proc/$p/comm).$p; "
    'timeout 100 gdb -batch -nx -q -p $p ${core:+-ex "generate-core-file $core"} '
    "-ex 'thread apply all bt' 2>&1 </dev/null; }"
)
LISTS = {"xen": "xl list"}
DESTROYS = {"xen": "xl destroy"}  # the domain's number follows
# a line for each object that guests may leave; what a host has no tool for is left out
INVENTORIES = {
    "xen": (
        "for t in /local/domain /libxl /vm; do"
        ' xenstore-list $t 2>/dev/null | sed "s,^,xenstore $t/,"; done;'
        " losetup -a 2>/dev/null | sed 's,^,loop ,'; ls /sys/class/net | sed 's,^,network device ,'"
    )
}


def target_of(access: Access, guest: GuestFiles) -> Target:
    """What a suite needs to know of this host; commands reach it over SSH."""
    if not access.port:
        return Target(
            host=access.name,
            uri=access.uri,
            hypervisor=access.hypervisor,
            kernel=guest.kernel,
            initrd=guest.initrd,
        )
    listing = LISTS.get(access.hypervisor, "")
    destroy = DESTROYS.get(access.hypervisor, "")
    inventory = INVENTORIES.get(access.hypervisor, "")
    return Target(
        host=access.name,
        uri=access.uri,
        hypervisor=access.hypervisor,
        kernel=guest.kernel,
        initrd=guest.initrd,
        hypervisor_list=shared_ssh_argv(access, listing) if listing else (),
        hypervisor_destroy=shared_ssh_argv(access, destroy) if destroy else (),
        daemon_probe=shared_ssh_argv(access, DAEMON_PROBE),
        daemon_backtrace=_over_ssh(access, DAEMON_BACKTRACE),
        host_shell=_over_ssh(access, "")[:-1],
        inventory=shared_ssh_argv(access, inventory) if inventory else (),
    )


def _over_ssh(access: Access, command: str) -> tuple[str, ...]:
    return ssh_argv(access, command)


def is_local(uri: str) -> bool:
    """Whether the driver of a connection reads files of this machine."""
    return parts_of(uri).netloc == ""


def target_at(
    uri: str, *, kernel: str = "", initrd: str = "", probe: tuple[str, ...] = ()
) -> Target:
    """What a suite needs to know of a connection that only its URI tells of.

    A daemon behind SSH is watched over the same way in, and so is its host: Xen's own list, and
    what guests may leave there. A daemon elsewhere is watched only with a ``probe``.
    Raises UsageError when the URI is none of libvirt's.
    """
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*:", uri) is None:
        raise UsageError(
            f'"{uri}" is no connection URI of libvirt: the driver and a colon come first',
            hint="for example test:///default, qemu:///system, xen+ssh://root@host/system",
        )
    driver, _, transport = parts_of(uri).scheme.partition("+")
    own = transport in ("ssh", "libssh", "libssh2") and not is_local(uri)
    way = _ssh_of(uri) if own else ()

    def there(command: str) -> tuple[str, ...]:
        return (*way, command) if way and command else ()

    return Target(
        host=driver,
        uri=uri,
        hypervisor=driver,
        kernel=kernel,
        initrd=initrd,
        daemon_probe=probe or there(DAEMON_PROBE),
        daemon_backtrace=() if probe else there(DAEMON_BACKTRACE),
        hypervisor_list=there(LISTS.get(driver, "")),
        hypervisor_destroy=there(DESTROYS.get(driver, "")),
        host_shell=way,
        inventory=there(INVENTORIES.get(driver, "")),
    )


def _ssh_of(uri: str) -> tuple[str, ...]:
    """The SSH command that reaches the host of a URI as libvirt's own transport does."""
    parts = parts_of(uri)
    query = parse_qs(parts.query)
    command = query.get("command", ["ssh"])[0]
    key = query.get("keyfile", [""])[0]
    return (
        command,
        *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-T"),
        *(("-p", str(parts.port)) if parts.port else ()),
        *(("-l", unquote(parts.username)) if parts.username else ()),
        *(("-i", key) if key else ()),
        *("--", parts.hostname or ""),
    )
