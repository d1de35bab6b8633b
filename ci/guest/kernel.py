"""Linux kernels as Debian ships them: the ELF file inside, and modules in loading order."""

from __future__ import annotations

import gzip
import lzma
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.shell import Argv, Shell

T = TypeVar("T")

# magic of the payload -> program that unpacks it; xz and gzip are in the standard library
_UNPACKERS = {
    b"\x02\x21\x4c\x18": ("lz4", "-dqf"),
    b"\x28\xb5\x2f\xfd": ("zstd", "-dqf"),
}
_LIBRARY = {b"\xfd7zXZ\x00": lzma.decompress, b"\x1f\x8b\x08": gzip.decompress}


def payload(vmlinuz: bytes) -> bytes:
    """The compressed kernel inside a bzImage, without the size that ends it.

    Raises InfraError when the boot header is not one of protocol 2.08 or newer.
    """
    if vmlinuz[0x202:0x206] != b"HdrS" or struct.unpack_from("<H", vmlinuz, 0x206)[0] < 0x208:
        raise InfraError("the kernel is no bzImage of boot protocol 2.08 or newer")
    setup = ((vmlinuz[0x1F1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", vmlinuz, 0x248)
    packed = vmlinuz[setup + offset : setup + offset + length]
    return packed if packed.startswith(b"\x1f\x8b\x08") else packed[:-4]


def unpack_kernel(shell: Shell, vmlinuz: Path, vmlinux: Path, deadline: Deadline) -> None:
    """Write the uncompressed ELF kernel to ``vmlinux``. Raises InfraError.

    It saves the decompression in the guest, which costs seconds under emulation.
    """
    packed = payload(vmlinuz.read_bytes())
    if library := _matching(_LIBRARY, packed):
        vmlinux.write_bytes(library(packed))
    elif unpacker := _matching(_UNPACKERS, packed):
        _unpack_with(shell, unpacker, packed, vmlinux, deadline)
    else:
        raise InfraError(f"{vmlinuz.name} is packed in a way not known here: {packed[:6].hex()}")
    with vmlinux.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            raise InfraError(f"what is packed in {vmlinuz.name} is no ELF kernel")


def _matching(table: Mapping[bytes, T], packed: bytes) -> T | None:
    return next((found for magic, found in table.items() if packed.startswith(magic)), None)


def _unpack_with(
    shell: Shell, unpacker: Argv, packed: bytes, vmlinux: Path, deadline: Deadline
) -> None:
    source = vmlinux.with_name(vmlinux.name + ".packed")
    source.write_bytes(packed)
    target = ("-o", str(vmlinux)) if unpacker[0] == "zstd" else (str(vmlinux),)
    done = shell.run((*unpacker, str(source), *target), deadline)
    source.unlink()
    if not done.ok:
        hint = f"apt-get install {unpacker[0]}"
        raise InfraError(
            f"{unpacker[0]} could not unpack the kernel", hint=hint, detail=done.tail(5)
        )


def module_paths(folder: Path) -> dict[str, Path]:
    """Every module below ``folder`` by its name, with underscores."""
    return {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}


def needs(module: bytes) -> tuple[str, ...]:
    """The modules that a module's own ``.modinfo`` says it depends on."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    names = found[1].decode().split(",") if found else []
    return tuple(name.replace("-", "_") for name in names if name)


def in_loading_order(wanted: Iterable[str], paths: Mapping[str, Path]) -> tuple[Path, ...]:
    """Files of ``wanted`` and all they need, needed ones first.

    A wanted module without a file is taken to be built into the kernel. Raises InfraError when a
    module needs one that is not there.
    """
    order: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name in order:
            return
        for needed in needs(paths[name].read_bytes()):
            if needed not in paths:
                raise InfraError(f"the kernel module {name} needs {needed}, which is not there")
            visit(needed)
        order[name] = paths[name]

    for name in wanted:
        if name in paths:
            visit(name)
    return tuple(order.values())
