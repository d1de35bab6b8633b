"""Small pieces of XML: disks, network cards, pools, volumes, networks, filters, secrets."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide", "xvd": "xen", "fd": "fdc"}


def disk_xml(path: str, target: str, *, kind: str = "raw", read_only: bool = False) -> str:
    """A disk on a file; the bus follows from the name (vda, sda, hda, xvda)."""
    bus = BUSES[target[:-1]]
    return (
        f"<disk type='file' device='disk'><driver type={quoteattr(kind)}/>"
        f"<source file={quoteattr(path)}/><target dev={quoteattr(target)} bus={quoteattr(bus)}/>"
        f"{'<readonly/>' if read_only else ''}</disk>"
    )


def network_card_xml(network: str, mac: str, *, model: str = "") -> str:
    """A network card on a network."""
    kind = f"<model type={quoteattr(model)}/>" if model else ""
    return (
        f"<interface type='network'><mac address={quoteattr(mac)}/>"
        f"<source network={quoteattr(network)}/>{kind}</interface>"
    )


def dir_pool_xml(name: str, path: Path) -> str:
    target = f"<target><path>{escape(str(path))}</path></target>"
    return f"<pool type='dir'><name>{escape(name)}</name>{target}</pool>"


def volume_xml(name: str, *, mib: int = 1, kind: str = "raw", allocation_mib: int = 0) -> str:
    compat = "<compat>1.1</compat>" if kind == "qcow2" else ""  # the one that keeps bitmaps
    return (
        f"<volume><name>{escape(name)}</name><capacity unit='MiB'>{mib}</capacity>"
        f"<allocation unit='MiB'>{allocation_mib}</allocation>"
        f"<target><format type={quoteattr(kind)}/>{compat}</target></volume>"
    )


def network_xml(name: str, *, octet: int = 0, bridge: str = "", forward: str = "") -> str:
    """A network; with ``octet`` it has addresses 10.123.OCTET.0/24 and DHCP."""
    bridge_xml = f"<bridge name={quoteattr(bridge)}/>" if bridge else ""
    forward_xml = f"<forward mode={quoteattr(forward)}/>" if forward else ""
    base = f"10.123.{octet}"
    ip_xml = (
        f"<ip address='{base}.1' netmask='255.255.255.0'>"
        f"<dhcp><range start='{base}.2' end='{base}.99'/></dhcp></ip>"
        if octet
        else ""
    )
    return f"<network><name>{escape(name)}</name>{forward_xml}{bridge_xml}{ip_xml}</network>"


def filter_xml(name: str, rule: str = "") -> str:
    return f"<filter name={quoteattr(name)} chain='root'>{rule}</filter>"


def secret_xml(usage: str, *, private: bool = False, ephemeral: bool = False) -> str:
    return (
        f"<secret ephemeral='{_yes(ephemeral)}' private='{_yes(private)}'>"
        f"<usage type='volume'><volume>/{escape(usage)}</volume></usage></secret>"
    )


def _yes(value: bool) -> str:  # noqa: FBT001 - its only argument
    return "yes" if value else "no"
