"""Snapshots of a domain."""

from __future__ import annotations

from pathlib import Path

import libvirt

from ci.deadline import Deadline
from ci.errors import ProductError
from ci.shell import LocalShell, must
from suites.stress.guest import Guest
from suites.stress.step import Step

NAME = "virtci"
SNAPSHOT_SECONDS = 300.0
IMAGE_SECONDS = 60.0
IMAGE_SIZE = "256M"  # it takes the guest's memory too


def image(guest: Guest, _: Step) -> None:
    """Plug in a disk that can hold snapshots, where the driver needs one: QEMU, a qcow2.

    The file is made on this machine (see ``--scratch``); elsewhere it has to be there.
    """
    if guest.host.driver != "QEMU":
        return
    path = f"{guest.host.scratch}/{guest.name}.qcow2"
    if guest.host.local:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        create = ("qemu-img", "create", "-q", "-f", "qcow2", path, IMAGE_SIZE)
        must(LocalShell(), create, Deadline.after(IMAGE_SECONDS))
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{path}'/><target dev='vdc' bus='virtio'/></disk>"
    )
    guest.call(guest.domain.attachDeviceFlags, disk, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def take(guest: Guest, _: Step) -> None:
    """Take a snapshot of the running domain."""
    xml = f"<domainsnapshot><name>{NAME}</name></domainsnapshot>"
    guest.call(guest.domain.snapshotCreateXML, xml, 0, seconds=SNAPSHOT_SECONDS)
    guest.done += ("snapshot",)
    if NAME not in guest.call(guest.domain.snapshotListNames, 0):
        raise ProductError(f"{guest.name}: the snapshot that was taken is not in the list")


def revert(guest: Guest, _: Step) -> None:
    """Go back to the snapshot."""
    snapshot = guest.call(guest.domain.snapshotLookupByName, NAME, 0)
    guest.call(guest.domain.revertToSnapshot, snapshot, 0, seconds=SNAPSHOT_SECONDS)
    guest.done += ("revert",)
    guest.find()
    guest.reverted()


def delete(guest: Guest, _: Step) -> None:
    """Remove the snapshot."""
    snapshot = guest.call(guest.domain.snapshotLookupByName, NAME, 0)
    guest.call(snapshot.delete, 0, seconds=SNAPSHOT_SECONDS)
