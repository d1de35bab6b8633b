"""A second network card that joins the nested hosts of a run: they migrate guests to each other.

What each sends goes to a multicast group of this machine's loopback interface, in which the others
are. No host waits for another, and one that is switched off and on is on the wire again. Nothing
leads from the wire to this machine's networks or from there to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ci.errors import UsageError
from ci.model import Record
from ci.shell import Argv

HIGHEST = 9
_LOOPBACK = "127.0.0.1"
_PORTS = range(20000, 60000)


class Wire(Record, frozen=True, kw_only=True):
    """The end of a wire at host ``number``; those that name the same ``among`` are on the same."""

    number: int
    among: str

    @property
    def kernel_option(self) -> str:
        """From which ``files/wire`` in the host knows its address and its name."""
        return f"virtci.wire={self.number}"

    @property
    def group(self) -> str:
        """Multicast address and port, of those that every organisation may use for its own."""
        digest = hashlib.sha256(self.among.encode()).digest()
        low, middle, high = digest[:3]
        port = _PORTS[int.from_bytes(digest[3:7]) % len(_PORTS)]
        return f"239.{high}.{middle}.{low}:{port}"

    def card(self) -> Argv:
        """The arguments that give it to QEMU."""
        back = f"socket,id=net1,mcast={self.group},localaddr={_LOOPBACK}"
        front = f"virtio-net-pci,netdev=net1,romfile=,mac=52:54:00:76:63:{self.number:02x}"
        return ("-netdev", back, "-device", front)


def check_numbers(numbers: Iterable[int], source: str) -> None:
    """Raises UsageError when two hosts of a plan would have the same address; 0 has none."""
    used = [number for number in numbers if number]
    for number in used:
        if used.count(number) > 1:
            raise UsageError(
                f"{source}: hosts: two are number {number} on the wire",
                hint=f"give each its own, from 1 to {HIGHEST}",
            )
