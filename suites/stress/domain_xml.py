"""The guest that is looped, as libvirt wants it described."""

from __future__ import annotations

from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from ci.errors import UsageError
from ci.model import Record
from suites.hypervisor.domain_xml import DomainXml, Platform, platforms, preferred

PREFIX = "virtci-stress-"
SPARE = ("<controller type='usb' model='none'/>",)


class GuestKind(Record, frozen=True, kw_only=True):
    """How a guest is made: from these files, or, where nothing boots, from nothing."""

    runs: bool
    platform: Platform
    kernel: str = ""
    initrd: str = ""
    memory_mib: int = 96
    max_vcpus: int = 2


def choose_platform(capabilities: str, wanted: str) -> Platform:
    """The platform called ``wanted`` by its domain or operating system type; else the usual one.

    Raises UsageError when the hypervisor does not offer it.
    """
    offered = platforms(capabilities)
    for platform in offered:
        if wanted in (platform.type, platform.os):
            return _pluggable(platform)
    if wanted or not offered:
        names = sorted({name for platform in offered for name in (platform.type, platform.os)})
        raise UsageError(f'this hypervisor runs no "{wanted}" guest; it offers {", ".join(names)}')
    return _pluggable(preferred(capabilities))


def _pluggable(platform: Platform) -> Platform:
    """i440FX takes devices while it runs; q35 would need a spare port for each."""
    return replace(platform, machine="pc") if platform.machine == "q35" else platform


def domain_xml(name: str, guest: GuestKind, *, keep_uuid: bool = False) -> str:
    """The XML of a guest that is direct-booted and speaks on its first console.

    With ``keep_uuid`` it is the same domain whenever it is made: the uuid comes from the name.
    """
    uuid = str(uuid5(NAMESPACE_URL, name)) if keep_uuid else ""
    if not guest.runs:
        mib, most = guest.memory_mib, guest.max_vcpus
        return str(DomainXml(name, guest.platform, uuid=uuid, mib=mib, max_vcpus=most))
    if not guest.kernel or not guest.initrd:
        raise UsageError(
            f"a guest on {guest.platform.type} needs a kernel and an initrd",
            hint="make them with `virtci guest build`, then pass --guest-kernel and --guest-initrd",
        )
    hvm = guest.platform.os == "hvm"
    return str(
        DomainXml(
            name,
            guest.platform,
            uuid=uuid,
            mib=guest.memory_mib,
            max_vcpus=guest.max_vcpus,
            kernel=guest.kernel,
            initrd=guest.initrd,
            cmdline=f"console={'ttyS0' if hvm else 'hvc0'} quiet",
            devices=SPARE if hvm else (),
            extra=(
                "<on_poweroff>destroy</on_poweroff>",
                "<on_reboot>restart</on_reboot>",
                "<on_crash>destroy</on_crash>",
            )
            + (("<features><acpi/></features>",) if hvm else ()),
        )
    )
