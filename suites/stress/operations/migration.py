"""Moving a running guest to a second host and back."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import libvirt

from ci.errors import ProductError, UsageError
from suites.stress.guest import Guest
from suites.stress.step import Step

MIGRATE_SECONDS = 300.0
ON_THIS_MACHINE = "unix://"


def migrate(guest: Guest, _: Step) -> None:
    """Migrate live to the second host and back; ``beat`` proves that the same boot goes on."""
    _there_and_back(guest, libvirt.VIR_MIGRATE_LIVE)


def migrate_stopped(guest: Guest, _: Step) -> None:
    """The same, stopped on the way: PV guests need it on a Xen without shadow paging."""
    _there_and_back(guest, 0)


def _there_and_back(guest: Guest, flags: int) -> None:
    options = guest.host.options
    if not options.destination:
        raise UsageError("migrate needs --destination URI, a second host")
    there = guest.call(libvirt.open, options.destination)
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


def _move(guest: Guest, domain: Any, where: Any, way: str, flags: int) -> None:
    """``way`` is what the source calls the destination; empty where libvirt finds it out."""
    if way.startswith(ON_THIS_MACHINE):
        Path(way.removeprefix(ON_THIS_MACHINE)).unlink(missing_ok=True)
    parameters = {libvirt.VIR_MIGRATE_PARAM_URI: way} if way else {}
    guest.connection.call_aside(domain.migrate3, where, parameters, flags, seconds=MIGRATE_SECONDS)


def _leave(guest: Guest, there: Any) -> None:
    """End what a migration that broke off has left on the second host."""
    with contextlib.suppress(libvirt.libvirtError):
        guest.call(guest.call(there.lookupByName, guest.name).destroy)
    there.close()
