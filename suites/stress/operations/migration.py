"""Moving a running guest to a second host and back."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import libvirt

from ci.errors import InfraError, ProductError, UsageError
from suites.stress.guest import Guest
from suites.stress.paging import moves_only_stopped
from suites.stress.step import Step

MIGRATE_SECONDS = 300.0
ON_THIS_MACHINE = "unix://"
STOPPED_INSTEAD = (
    "guests were stopped on the way: this Xen has no shadow paging, without which no PV guest "
    "moves live"
)
# libvirt's words for a destination that the source cannot reach, or that does not know its own name
UNREACHED = (
    "unable to connect to server at",
    "unable to resolve address",
    "resolved to localhost, but migration requires",
    "fail to create socket for incoming migration",
)


def migrate(guest: Guest, _: Step) -> None:
    """Migrate to the second host and back; ``beat`` proves that the same boot goes on.

    Live, but for PV guests on a Xen that cannot do that; the verdict says so then.
    """
    if moves_only_stopped(guest):
        guest.host.remarks.add(STOPPED_INSTEAD)
        _there_and_back(guest, 0)
    else:
        _there_and_back(guest, libvirt.VIR_MIGRATE_LIVE)


def migrate_stopped(guest: Guest, _: Step) -> None:
    """The same, stopped on the way in any case."""
    _there_and_back(guest, 0)


def _there_and_back(guest: Guest, flags: int) -> None:
    options = guest.host.options
    if not options.destination:
        raise UsageError("migrate needs --destination URI, a second host")
    there = _second_host(guest)
    ways = (*options.migrate_uri.split(","), "", "")
    back = ways[1] or (ways[0] if ways[0].startswith(ON_THIS_MACHINE) else "")
    try:
        _move(guest, guest.domain, there, ways[0], flags)
        moved = guest.call(there.lookupByName, guest.name)
        _move(guest, moved, guest.connection.raw, back, flags)
        if guest.name in {domain.name() for domain in guest.call(there.listAllDomains, 0)}:
            raise ProductError(f"{guest.name} went back and is still on {options.destination}")
    finally:
        _leave(guest, there)
    guest.done += ("migrate",)
    guest.find()
    guest.anew()


def _second_host(guest: Guest) -> Any:
    """A connection to it. Raises InfraError when nobody answers, UsageError when it is this one."""
    uri = guest.host.options.destination
    try:
        there = guest.call(libvirt.open, uri)
    except libvirt.libvirtError as error:
        raise InfraError(
            f"cannot connect to the second host {uri}: {error.get_error_message()}",
            hint=f"try: virsh -c '{uri}' list",
        ) from None
    if _is_this_one(guest, there):
        there.close()
        raise UsageError(f"--destination {uri} is the very host that is stressed")
    return there


def _is_this_one(guest: Guest, there: Any) -> bool:
    """libvirt's own check comes too late on Xen: the guest cannot be destroyed any more."""
    try:
        guest.call(there.lookupByUUIDString, guest.domain.UUIDString())
    except libvirt.libvirtError:
        return False
    return True


def _move(guest: Guest, domain: Any, where: Any, way: str, flags: int) -> None:
    """``way`` is what the source calls the destination; empty where libvirt finds it out."""
    if way.startswith(ON_THIS_MACHINE):
        Path(way.removeprefix(ON_THIS_MACHINE)).unlink(missing_ok=True)
    parameters = {libvirt.VIR_MIGRATE_PARAM_URI: way} if way else {}
    home = where is guest.connection.raw
    try:
        guest.connection.call_aside(
            domain.migrate3, where, parameters, flags, seconds=MIGRATE_SECONDS
        )
    except libvirt.libvirtError as error:
        _blame(guest, error.get_error_message() or "", home=home)
        raise
    guest.host.crossed.add(home)


def _blame(guest: Guest, said: str, *, home: bool) -> None:
    """Raise what the error is about when that is not the product.

    Hosts that have reached each other before see each other: then it is libvirt that failed.
    """
    if home not in guest.host.crossed and any(words in said.lower() for words in UNREACHED):
        which = "the second host does not reach the first" if home else "it is not reached"
        raise InfraError(
            f"no guest can be migrated, {which} ({said})",
            hint="see that each host resolves and reaches the other's name, or say what they call "
            "each other with --migrate-uri; nested hosts of a run do with a number on the wire",
        ) from None


def _leave(guest: Guest, there: Any) -> None:
    """End what a migration that broke off has left on the second host."""
    with contextlib.suppress(libvirt.libvirtError):
        guest.call(guest.call(there.lookupByName, guest.name).destroy)
    there.close()
