"""A network of one cable, to a namespace of its own, that can be cut."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.root import need_root

_numbers = itertools.count()  # a device outlives its namespace for a moment: no name comes twice


@dataclass(frozen=True)
class Cable:
    """Our end is the device ``name``; the other has ``address`` inside the namespace ``name``."""

    name: str
    address: str

    @property
    def inside(self) -> tuple[str, ...]:
        """Before a command: run it at the other end."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        _ip("link", "set", self.name, "down")


@contextmanager
def a_cable() -> Iterator[Cable]:
    """Needs root. Nothing of it is left afterwards."""
    need_root("a network of one's own")
    turn = next(_numbers)
    number = (os.getpid() + turn) % 16000
    name = f"vci{os.getpid()}n{turn}"
    net = f"10.213.{number // 64}.{number % 64 * 4}".rsplit(".", 1)
    near, far = (f"{net[0]}.{int(net[1]) + last}" for last in (1, 2))
    _ip("netns", "add", name)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"{near}/30", "dev", name)
        _ip("link", "set", name, "up")
        _ip("-n", name, "addr", "add", f"{far}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield Cable(name, far)
    finally:
        subprocess.run(("ip", "link", "del", name), check=False, capture_output=True)
        _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    done = subprocess.run(("ip", *arguments), check=False, capture_output=True, text=True)
    assert done.returncode == 0, (
        f"ip {' '.join(arguments)} (apt-get install iproute2): {done.stderr}"
    )
