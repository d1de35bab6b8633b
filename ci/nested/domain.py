"""A nested host as a domain of its outer host's libvirt."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ci.model import Record
from ci.nested.image import Image
from ci.nested.outer_facts import Processor
from ci.nested.qemu import boot_arguments, network
from ci.shell import Argv

PREFIX = "virtci-nested-"
_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_TYPES = {"kvm": "kvm", "tcg": "qemu"}
_XML = """\
<domain type='{type}' xmlns:qemu='{namespace}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <title>{title}</title>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{cpus}</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><apic/></features>
{cpu}
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe'/>
      <source file={disk}/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='pty'><log file={console} append='on'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
{labels}  <qemu:commandline>
{arguments}
  </qemu:commandline>
</domain>
"""


class Domain(Record, frozen=True, kw_only=True):
    """One nested host there. ``folder`` is its own on the outer host, ``image.folder`` lies there,
    too; ``port`` is one of the outer host's loopback."""

    name: str
    title: str
    image: Image
    processor: Processor
    memory_mib: int
    dom0_mib: int
    cpus: int
    port: int
    folder: str
    confined: tuple[str, ...] = ()

    @property
    def console(self) -> str:
        return f"{self.folder}/console.log"


def domain_name(host: str, folder: Path) -> str:
    """The same for the same host of the same run, so that a resumed one finds its own."""
    parts = (socket.gethostname(), str(os.getuid()), str(folder.absolute()))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"{PREFIX}{host}-{digest}"


def domain_xml(domain: Domain) -> str:
    arguments = (*boot_arguments(domain.image, domain.dom0_mib), *_network(domain.port))
    return _XML.format(
        type=_TYPES[domain.processor.accelerator],
        namespace=_QEMU,
        name=escape(domain.name),
        uuid=domain_uuid(domain.name),
        title=escape(domain.title),
        memory=domain.memory_mib,
        cpus=domain.cpus,
        cpu=_cpu(domain.processor),
        disk=quoteattr(f"{domain.folder}/disk.qcow2"),
        console=quoteattr(domain.console),
        labels="".join(f"  <seclabel type='none' model='{m}'/>\n" for m in domain.confined),
        arguments="\n".join(f"    <qemu:arg value={quoteattr(word)}/>" for word in arguments),
    )


def domain_uuid(name: str) -> str:
    """What the host of this domain calls itself, too."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _cpu(processor: Processor) -> str:
    features = "".join(
        f"<feature policy='disable' name='{feature}'/>" for feature in processor.without
    )
    return f"  <cpu mode='{processor.mode}' check='none'>{features}</cpu>"


def _network(port: int) -> Argv:
    # libvirt's own user network forwards no port. A place that libvirt gives to none of its devices
    return ("-netdev", network(port), "-device", "virtio-net-pci,netdev=net0,romfile=,addr=0x10")
