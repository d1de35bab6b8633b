"""Modules are loaded after what they need; kernels are unpacked by what they say."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.guest.kernel import in_loading_order, module_paths, needs, payload, unpack_kernel
from ci.shell import LocalShell

ELF = b"\x7fELF" + bytes(100)


def module(folder: Path, name: str, depends: str) -> None:
    info = b"\0license=GPL\0depends=" + depends.encode() + b"\0name=" + name.encode() + b"\0"
    (folder / f"{name}.ko").write_bytes(b"\x7fELF" + info)


def bzimage(packed: bytes, *, version: int = 0x20F) -> bytes:
    header = bytearray(1024)
    header[0x1F1] = 1
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", header, 0x206, version)
    struct.pack_into("<II", header, 0x248, 16, len(packed))
    return bytes(header) + bytes(16) + packed


def test_needed_modules_come_first_and_only_once(tmp_path: Path) -> None:
    module(tmp_path, "virtio", "")
    module(tmp_path, "virtio_ring", "virtio")
    module(tmp_path, "virtio-blk", "virtio,virtio_ring")
    module(tmp_path, "virtio_net", "virtio-ring")
    paths = module_paths(tmp_path)
    order = [path.stem for path in in_loading_order(("virtio_blk", "virtio_net"), paths)]
    assert order == ["virtio", "virtio_ring", "virtio-blk", "virtio_net"]


def test_a_module_that_is_built_in_is_left_out(tmp_path: Path) -> None:
    assert in_loading_order(("evdev",), module_paths(tmp_path)) == ()


def test_a_module_whose_need_is_missing_is_an_error_that_names_both(tmp_path: Path) -> None:
    module(tmp_path, "ext4", "mbcache")
    with pytest.raises(InfraError, match="ext4 needs mbcache"):
        in_loading_order(("ext4",), module_paths(tmp_path))


def test_a_module_without_needs_has_none() -> None:
    assert needs(b"\x7fELF\0depends=\0") == ()
    assert needs(b"\x7fELF") == ()


def test_the_kernel_inside_is_unpacked(tmp_path: Path) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(bzimage(gzip.compress(ELF)))
    unpack_kernel(LocalShell(), image, tmp_path / "vmlinux", Deadline.after(10))
    assert (tmp_path / "vmlinux").read_bytes() == ELF


def test_what_is_no_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="no bzImage"):
        payload(bytes(4096))
    with pytest.raises(InfraError, match="no bzImage"):
        payload(bzimage(b"", version=0x200))
    image = tmp_path / "vmlinuz"
    image.write_bytes(bzimage(b"BZh91AY" + bytes(20)))
    with pytest.raises(InfraError, match="packed in a way not known"):
        unpack_kernel(LocalShell(), image, tmp_path / "vmlinux", Deadline.after(10))
