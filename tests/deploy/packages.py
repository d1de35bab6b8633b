"""Records of packages and builds that no file stands behind, or a small one."""

from __future__ import annotations

from pathlib import Path

from ci.model import Build, BuildId, Rpm

LIBVIRTD = "/usr/sbin/libvirtd"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libvirt.so.0.9000.0"
DRIVER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so"


def a_package(
    name: str, *, path: str = "/p.rpm", debug: bool = False, ids: dict[str, str] | None = None
) -> Rpm:
    return Rpm(
        name=name,
        epoch=0,
        version="9.0.0",
        release="1",
        arch="x86_64",
        path=path,
        sha256="0" * 64,
        debug=debug,
        build_ids=tuple(BuildId(path=file, build_id=known) for file, known in (ids or {}).items()),
    )


def a_build(folder: Path, ids: dict[str, str]) -> Build:
    """One package with these ELF files, whose file holds next to nothing."""
    path = folder / "libvirt-9.0.0-1.x86_64.rpm"
    path.write_text("an rpm")
    return Build(kind="test", revision="r1", rpms=(a_package("libvirt", path=str(path), ids=ids),))
