"""Plugging devices into a running guest and pulling them out."""

from __future__ import annotations

import libvirt

from ci.errors import InfraError, ProductError
from suites.stress.guest import Guest
from suites.stress.step import Step

PLUG_SECONDS = 30.0
MAC = "52:54:00:76:72:74"
NETWORK = "default"
ACTIVE = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE


def _disk(guest: Guest) -> str:
    target = (
        "<target dev='vdb' bus='virtio'/>"
        if guest.host.driver == "QEMU"
        else "<target dev='xvdb'/>"
    )
    return (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        f"<source file='{guest.disk_path}'/>{target}</disk>"
    )


def _nic(guest: Guest) -> str:
    mac = f"<mac address='{MAC}'/>"
    if guest.host.driver == "QEMU":  # needs no network on the host
        return f"<interface type='user'>{mac}<model type='virtio'/></interface>"
    return f"<interface type='network'>{mac}<source network='{NETWORK}'/></interface>"


def attach_disk(guest: Guest, _: Step) -> None:
    """Plug in a disk; the file is made on this machine (see ``--scratch``)."""
    guest.make_disk()
    _plug(guest, _disk(guest), guest.disk_path)


def detach_disk(guest: Guest, _: Step) -> None:
    """Pull the disk out, and wait until the guest has let it go."""
    _unplug(guest, _disk(guest), guest.disk_path)


def attach_nic(guest: Guest, _: Step) -> None:
    """Plug in a network interface."""
    if guest.host.driver != "QEMU":
        _need_network(guest)
    _plug(guest, _nic(guest), MAC)


def detach_nic(guest: Guest, _: Step) -> None:
    """Pull the interface out, and wait until the guest has let it go."""
    _unplug(guest, _nic(guest), MAC)


def _need_network(guest: Guest) -> None:
    """Raises InfraError when the interface would have nothing to be plugged into."""
    active = [net.name() for net in guest.call(guest.connection.raw.listAllNetworks, ACTIVE)]
    if NETWORK not in active:
        raise InfraError(
            f"the host has no active network '{NETWORK}' to plug an interface into",
            hint=f"virsh net-start {NETWORK}",
        )


def _has(guest: Guest, mark: str) -> bool:
    return mark in guest.call(guest.domain.XMLDesc, 0)


def _plug(guest: Guest, xml: str, mark: str) -> None:
    guest.call(guest.domain.attachDeviceFlags, xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    if not _has(guest, mark):
        raise ProductError(f"{guest.name}: {mark} was attached and is not in the domain's XML")


def _unplug(guest: Guest, xml: str, mark: str) -> None:
    guest.call(guest.domain.detachDeviceFlags, xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    until = guest.connection.now() + PLUG_SECONDS
    while _has(guest, mark):
        if guest.connection.now() > until:
            raise ProductError(
                f"{guest.name}: {mark} is still there {PLUG_SECONDS:g} s after its detach",
                detail=guest.evidence(),
            )
        guest.connection.pause(0.05)
