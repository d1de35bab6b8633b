"""Domains as XML, built for what the hypervisor's capabilities say it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree as ET  # builds; defusedxml reads

from defusedxml.ElementTree import fromstring

ACCELERATED = ("kvm", "hvf")
MIB = 1024


@dataclass(frozen=True)
class Platform:
    """What a hypervisor runs: ``type`` of the domain, of its operating system, architecture."""

    type: str
    os: str
    arch: str
    machine: str = ""
    emulator: str = ""
    accelerated: bool = False

    @property
    def needs_kernel(self) -> bool:
        """Whether a domain without a kernel cannot even start (Xen PV and PVH)."""
        return self.type == "xen" and self.os in ("linux", "xen", "xenpvh")


def platforms(capabilities: str) -> tuple[Platform, ...]:
    """Every platform that the capabilities name, accelerated ones first."""
    root = fromstring(capabilities)
    found = [platform for guest in root.iter("guest") for platform in _of_guest(guest)]
    return tuple(sorted(found, key=lambda platform: not platform.accelerated))


def _of_guest(guest: ET.Element) -> Iterable[Platform]:
    for arch in guest.iter("arch"):
        for domain in arch.iter("domain"):
            kind = domain.get("type", "")
            yield Platform(
                type=kind,
                os=guest.findtext("os_type", ""),
                arch=arch.get("name", ""),
                machine=_machine(arch),
                emulator=domain.findtext("emulator") or arch.findtext("emulator") or "",
                accelerated=kind in ACCELERATED,
            )


def _machine(arch: ET.Element) -> str:
    """The machine with most kinds of buses: pc where there is one."""
    names = [machine.text or "" for machine in arch.findall("machine")]
    return "pc" if "pc" in names else (names[0] if names else "")


def host_arch(capabilities: str) -> str:
    return str(fromstring(capabilities).findtext("host/cpu/arch") or "")


def preferred(capabilities: str, *, accelerate: bool = True) -> Platform:
    """The platform to test on: the host's own architecture, paravirtual before full on Xen.

    Raises LookupError when the hypervisor names none.
    """
    arch = host_arch(capabilities)
    found = [p for p in platforms(capabilities) if accelerate or not p.accelerated]
    own = [p for p in found if p.arch == arch] or found
    if not own:
        raise LookupError("the capabilities of this hypervisor name no guest that it runs")
    rank = {"xen": 0, "hvm": 1, "linux": 1}
    return min(own, key=lambda platform: rank.get(platform.os, 2))


@dataclass(frozen=True)
class DomainXml:
    """A domain to define or create. Memory in MiB. ``devices`` and ``extra`` are XML elements."""

    name: str
    platform: Platform
    mib: int = 96
    vcpus: int = 1
    max_vcpus: int = 0
    uuid: str = ""
    title: str = ""
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    devices: tuple[str, ...] = ()
    extra: tuple[str, ...] = field(default=())
    console: bool = True

    def but(self, *, devices: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> DomainXml:
        """The same with more devices or elements."""
        return replace(self, devices=self.devices + devices, extra=self.extra + extra)

    def __str__(self) -> str:
        root = ET.Element("domain", type=self.platform.type)
        _text(root, "name", self.name)
        _text(root, "uuid", self.uuid)
        _text(root, "title", self.title)
        _text(root, "memory", str(self.mib * MIB))
        _text(root, "currentMemory", str(self.mib * MIB))
        self._add_vcpus(root)
        self._add_os(root)
        for element in self.extra:
            root.append(fromstring(element))
        if self.platform.os == "hvm" and not any("<features" in text for text in self.extra):
            ET.SubElement(ET.SubElement(root, "features"), "acpi")
        self._add_devices(root)
        return ET.tostring(root, encoding="unicode")

    def _add_vcpus(self, root: ET.Element) -> None:
        most = max(self.max_vcpus, self.vcpus)
        element = _text(root, "vcpu", str(most))
        if element is not None and most != self.vcpus:
            element.set("current", str(self.vcpus))

    def _add_os(self, root: ET.Element) -> None:
        os = ET.SubElement(root, "os")
        kind = ET.SubElement(os, "type", arch=self.platform.arch)
        kind.text = self.platform.os
        if self.platform.machine and self.platform.os == "hvm":
            kind.set("machine", self.platform.machine)
        _text(os, "kernel", self.kernel)
        _text(os, "initrd", self.initrd)
        _text(os, "cmdline", self.cmdline)

    def _add_devices(self, root: ET.Element) -> None:
        devices = ET.SubElement(root, "devices")
        _text(devices, "emulator", self.platform.emulator)
        if self.console and self.platform.type != "test":
            devices.append(fromstring("<console type='pty'/>"))
        for element in self.devices:
            devices.append(fromstring(element))


def _text(parent: ET.Element, tag: str, text: str) -> ET.Element | None:
    if not text:
        return None
    element = ET.SubElement(parent, tag)
    element.text = text
    return element
