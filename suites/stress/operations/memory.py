"""Saving and restoring a guest, and changing its size."""

from __future__ import annotations

import libvirt

from ci.errors import InfraError, ProductError
from suites.stress.guest import Guest
from suites.stress.step import Step

SAVE_SECONDS = 300.0
RESIZE_SECONDS = 30.0
KIB = 1024


def save(guest: Guest, _: Step) -> None:
    """Save to a file on the host; the domain ends."""
    guest.call(guest.domain.save, guest.save_path, seconds=SAVE_SECONDS)
    guest.done += ("save",)


def restore(guest: Guest, _: Step) -> None:
    """Bring back what ``save`` has saved; ``beat`` proves that the same boot goes on."""
    raw = guest.connection.raw
    guest.call(raw.restore, guest.save_path, seconds=SAVE_SECONDS)
    guest.done += ("restore",)
    guest.find()
    guest.anew()


def managed_save(guest: Guest, _: Step) -> None:
    """Save where libvirt keeps it; the next ``start`` restores it."""
    guest.call(guest.domain.managedSave, 0, seconds=SAVE_SECONDS)
    guest.done += ("managed_save",)


def set_memory(guest: Guest, step: Step) -> None:
    """Balloon to ``mib`` (within what it was started with)."""
    guest.call(guest.domain.setMemoryFlags, step.mib * KIB, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def resized() -> bool:
        return bool(guest.call(guest.domain.info)[2] == step.mib * KIB)

    until = guest.connection.now() + RESIZE_SECONDS
    while not resized():
        if guest.connection.now() > until:
            has = guest.call(guest.domain.info)[2] // KIB
            raise ProductError(f"{guest.name} has {has} MiB, {step.mib} were asked for")
        guest.connection.pause(0.05)


def set_vcpus(guest: Guest, step: Step) -> None:
    """Change the number of processors to ``vcpus`` while it runs."""
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    _enough_processors(guest, step.vcpus)
    guest.call(guest.domain.setVcpusFlags, step.vcpus, live)
    has = guest.call(guest.domain.vcpusFlags, live)
    if has != step.vcpus:
        raise ProductError(f"{guest.name} has {has} vcpus, {step.vcpus} were asked for")


def _enough_processors(guest: Guest, wanted: int) -> None:
    """Xen's driver gives no guest more processors than the host has; the others do.

    Raises InfraError.
    """
    has = guest.call(guest.connection.raw.getInfo)[2]
    if guest.host.driver == "Xen" and has < wanted:
        raise InfraError(
            f"{guest.name} is to have {wanted} processors and the host has {has}",
            hint="loop this on a host with more processors",
        )
