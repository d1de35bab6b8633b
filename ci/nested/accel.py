"""Whether KVM truly works here: a guest of a few instructions is run; a device node proves nothing.

What runs a few instructions may still fail with a hypervisor: ``distrust_kvm`` notes that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ci import places
from ci.codec import from_json, to_json
from ci.deadline import Deadline
from ci.errors import TimedOut
from ci.model import Record
from ci.shell import Argv, Shell

Accelerator = Literal["kvm", "tcg"]
PROBE_SECONDS = 10.0
_PORT = 0xF4
_VALUE = 0x10
_SUCCESS = (_VALUE << 1) | 1  # what isa-debug-exit makes of the value
_SIZE = 0x10000
_RESET = _SIZE - 16
# endbr32, which poor emulations of KVM's do not know; mov al, VALUE; out PORT, al; hlt; jmp to hlt
_CODE = bytes((0xF3, 0x0F, 0x1E, 0xFB, 0xB0, _VALUE, 0xE6, _PORT, 0xF4, 0xEB, 0xFD))
# max without: smap, or dom0 dies at once; rdtscp and xsave, or PVH guests die in Xen's SVM code
CPU: dict[Accelerator, str] = {"kvm": "host", "tcg": "max,-smap,-rdtscp,-xsave"}
_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Probe(Record, frozen=True, kw_only=True):
    """What was found out, valid until this machine is booted again."""

    rights: str
    kvm: bool


def works(shell: Shell, deadline: Deadline) -> bool:
    """Whether a guest runs under KVM; tried once per boot of this machine and user's cache."""
    cache = _cache()
    if cache.is_file() and (known := from_json(cache.read_bytes(), Probe)).rights == _rights():
        return known.kvm
    found = _DEVICE.exists() and runs_under("kvm", shell, deadline)
    _remember(kvm=found)
    return found


def distrust_kvm() -> None:
    """Note that a host did not come up under KVM; until the next boot of this machine."""
    _remember(kvm=False)


def best(shell: Shell, deadline: Deadline) -> Accelerator:
    return "kvm" if works(shell, deadline) else "tcg"


def runs_under(accelerator: Accelerator, shell: Shell, deadline: Deadline) -> bool:
    """Run the few instructions; the exit status shows that they were executed."""
    firmware = places.cache_folder("probes") / "exit.bin"
    _write(firmware, bytes(_RESET) + _CODE.ljust(16, b"\xf4"))
    try:
        done = shell.run(_command(accelerator, firmware), deadline.within(PROBE_SECONDS))
    except TimedOut:
        return False
    return done.status == _SUCCESS


def _command(accelerator: Accelerator, firmware: Path) -> Argv:
    return (
        *("qemu-system-x86_64", "-accel", accelerator, "-machine", "q35", "-m", "16"),
        *("-cpu", CPU[accelerator]),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1", "-bios", str(firmware)),
    )


def _cache() -> Path:
    return (
        places.cache_folder("probes") / f"kvm-{_BOOT_ID.read_text(encoding='ascii').strip()}.json"
    )


def _remember(*, kvm: bool) -> None:
    _write(_cache(), to_json(Probe(rights=_rights(), kvm=kvm)))


def _write(path: Path, data: bytes) -> None:
    """All at once, for others may read or write it at the same time."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(data)
    temporary.rename(path)


def _rights() -> str:
    """What the answer depends on besides the machine: the device and who may open it."""
    return f"{_DEVICE.exists()} {os.access(_DEVICE, os.R_OK | os.W_OK)} {os.getuid()}"
