"""What has to be around an iteration: our guest is gone, others are there, and nothing is more."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ci.errors import ProductError
from suites.stress.domain_xml import PREFIX
from suites.stress.host import Host
from suites.stress.inventory import Inventory
from suites.stress.listing import NAMELESS

LISTS_AGREE_SECONDS = 10.0
LISTS_PAUSE = 0.05


class Surroundings:
    """The host of the guest ``name`` as it was before the loop, to be compared with."""

    def __init__(self, host: Host, name: str, inventory: Inventory) -> None:
        names = host.libvirt_names()
        self._host = host
        self._name = name
        self._inventory = inventory
        self._others = frozenset(other for other in names if not other.startswith(PREFIX))

    def check(self) -> None:
        """After an iteration. Raises ProductError when something is left, or lost."""
        self._nothing_left()
        if self._inventory.due():
            self._nothing_more()

    def leaks(self) -> tuple[str, ...]:
        """What the host's other objects are more than before. Raises InfraError."""
        return self._inventory.leaks()

    def _nothing_left(self) -> None:
        until = time.monotonic() + LISTS_AGREE_SECONDS
        while left := self._left():
            if time.monotonic() > until:
                raise ProductError(left)
            self._host.connection.pause(LISTS_PAUSE)

    def _nothing_more(self) -> None:
        """The host's other objects are those of before; they get a moment to go."""
        until = time.monotonic() + LISTS_AGREE_SECONDS
        while leaks := self._inventory.leaks():
            if time.monotonic() > until:
                raise ProductError(leaks[0])
            self._host.connection.pause(1.0)

    def _left(self) -> str:
        """Our guest where it should be gone, and others' that libvirt has lost sight of."""
        known, runs = self._host.libvirt_names(), self._host.hypervisor_list()
        mine = known & {self._name}
        theirs = {self._name, NAMELESS}.intersection(runs)
        if mine or theirs:
            return f"after the iteration guests are left: {_both(mine, theirs)}"
        lost = (self._others - known).intersection(runs)
        return f"libvirt has lost guests of others: {_both(set(), lost)}" if lost else ""


def _both(libvirt: Iterable[str], hypervisor: Iterable[str]) -> str:
    return f"libvirt lists {sorted(libvirt)}, the hypervisor {sorted(hypervisor)}"
