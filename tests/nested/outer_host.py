"""An outer host of the tests: a real libvirtd and a real sshd at the other end of a cable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ci.nested.outer import Outer
from tests.cable import a_cable
from tests.libvirtd import Libvirtd, start_libvirtd
from tests.sshd import Sshd, running_sshd


@dataclass(frozen=True)
class OuterHost:
    """``folder`` is where nested hosts and images are kept; it starts empty."""

    libvirtd: Libvirtd
    sshd: Sshd
    folder: Path

    @property
    def outer(self) -> Outer:
        """As a plan names it."""
        target = self.sshd.target()
        socket = quote(f"{self.libvirtd.folder}/run/libvirt-sock")
        return Outer(
            uri=f"qemu+ssh://{target.user}@{target.address}:{target.port}/system?socket={socket}",
            key=target.key,
            known_hosts=target.known_hosts,
            folder=str(self.folder),
        )


@contextmanager
def an_outer_host(folder: Path) -> Iterator[OuterHost]:
    """Needs root. Its network is its own, so that only SSH leads to what listens there."""
    (folder / "sshd").mkdir(parents=True)
    with a_cable() as cable, start_libvirtd(inside=cable.inside) as libvirtd:
        for sshd in running_sshd(folder / "sshd", cable=cable):
            yield OuterHost(libvirtd, sshd, folder / "virtci")
