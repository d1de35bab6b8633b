"""The QEMU that a nested host runs in, as a list of arguments."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

from ci.model import Record
from ci.nested.accel import CPU, Accelerator
from ci.nested.image import Image
from ci.nested.wire import Wire
from ci.shell import Argv

_XEN_OPTIONS = "console=com1 com1=115200,8n1 dom0_mem={0}M,max:{0}M loglvl=info noreboot"
_DOM0_OPTIONS = "console=hvc0 net.ifnames=0 quiet mitigations=off random.trust_cpu=on panic=-1"
_LINUX_OPTIONS = (
    "console=ttyS0,115200 net.ifnames=0 quiet mitigations=off random.trust_cpu=on panic=-1"
)
GUEST_ADDRESS = "10.0.2.15"


class Machine(Record, frozen=True, kw_only=True):
    """One nested host as QEMU is told. ``folder`` gets pid file, console and log."""

    name: str
    image: Image
    accelerator: Accelerator
    memory_mib: int
    dom0_mib: int
    cpus: int
    port: int
    folder: str
    seconds_to_live: int
    wire: Wire | None = None

    @property
    def uuid(self) -> str:
        """What the host calls itself: another one in each folder, the same at each boot there."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{socket.gethostname()}:{self.folder}"))

    @property
    def pidfile(self) -> Path:
        return Path(self.folder, "qemu.pid")

    @property
    def console(self) -> Path:
        return Path(self.folder, "console.log")

    @property
    def log(self) -> Path:
        return Path(self.folder, "qemu.log")


def doubled(text: str) -> str:
    """A comma inside a value is written twice, or QEMU takes it for the end of the value."""
    return text.replace(",", ",,")


def launch_command(machine: Machine) -> Argv:
    """QEMU in a session of its own, ended by ``timeout`` when nobody else ends it."""
    limit = ("timeout", "--kill-after=10", str(machine.seconds_to_live))
    return ("setsid", "--fork", *limit, *qemu_command(machine))


def qemu_command(machine: Machine) -> Argv:
    return (
        "qemu-system-x86_64",
        *("-name", f"virtci-{doubled(machine.name)}", "-pidfile", str(machine.pidfile)),
        *(
            "-uuid",
            machine.uuid,
            "-machine",
            "q35",
            "-accel",
            machine.accelerator,
            "-cpu",
            _cpu(machine),
        ),
        *("-smp", str(machine.cpus), "-m", str(machine.memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *boot_arguments(machine.image, machine.dom0_mib, machine.wire),
        *("-drive", _disk(machine.image)),
        *("-netdev", network(machine.port), "-device", "virtio-net-pci,netdev=net0,romfile="),
        *(machine.wire.card() if machine.wire else ()),
        *("-chardev", f"file,id=console,path={doubled(str(machine.console))},append=on"),
        *("-serial", "chardev:console"),
    )


def boot_arguments(image: Image, dom0_mib: int, wire: Wire | None = None) -> Argv:
    """Xen with dom0's kernel and RAM disk as its modules, or the kernel itself."""
    more = f" {wire.kernel_option}" if wire else ""
    if image.name != "xen":
        ram_disk = ("-initrd", doubled(image.path("initrd")))
        return ("-kernel", image.path("vmlinux"), "-append", _LINUX_OPTIONS + more, *ram_disk)
    modules = f"{image.path('vmlinux')} {_DOM0_OPTIONS}{more}"
    return (
        *("-kernel", image.path("xen"), "-append", _XEN_OPTIONS.format(dom0_mib)),
        *("-initrd", f"{doubled(modules)},{doubled(image.path('initrd'))}"),
    )


def _cpu(machine: Machine) -> str:
    """What emulation does not do well enough for Xen is only left out below Xen."""
    if machine.accelerator == "tcg" and machine.image.name != "xen":
        return "max"
    return CPU[machine.accelerator]


def _disk(image: Image) -> str:
    disk = doubled(image.path("disk.qcow2"))
    # what the host writes goes to a temporary file: the image is never changed
    return f"file={disk},format=qcow2,if=virtio,snapshot=on,cache=unsafe"


def network(port: int) -> str:
    # restricted: the host reaches nothing outside, and only SSH reaches the host
    return f"user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-{GUEST_ADDRESS}:22"
