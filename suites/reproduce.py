"""Trip a crash of libvirt's daemon again. Needs libvirt-python and the two files beside it.

    python3 reproduce.py [--connect URI] [--loops N]

Exit codes: 0 not tripped, 1 tripped, 2 wrong arguments or no connection.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

HERE = Path(__file__).parent
GONE = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_RPC)
ENDS_SECONDS = 60.0


class Guest:
    """One domain and the operations that the ledger knows."""

    def __init__(self, uri: str, xml: str, alive_seconds: float, scratch: str) -> None:
        self.connection: Any = libvirt.open(uri)
        self.xml = xml
        self.alive_seconds = alive_seconds
        self.scratch = scratch
        self.domain: Any = None

    def create(self) -> None:
        self.domain = self.connection.createXML(self.xml, 0)

    def define(self) -> None:
        self.domain = self.connection.defineXML(self.xml)

    def start(self) -> None:
        self.domain.create()

    def alive(self) -> None:
        """As long as the guest took to boot when the crash was found."""
        time.sleep(self.alive_seconds)
        self.domain.state()

    def reboot(self) -> None:
        self.domain.reboot(0)

    def shutdown(self) -> None:
        self.domain.shutdown()
        until = time.monotonic() + ENDS_SECONDS
        while self.exists() and time.monotonic() < until:
            time.sleep(0.05)

    def exists(self) -> bool:
        """Whether the domain is still running."""
        name = self.domain.name()
        return any(other.name() == name for other in self.connection.listAllDomains(1))

    def destroy(self) -> None:
        self.domain.destroy()

    def undefine(self) -> None:
        self.domain.undefine()

    def suspend(self) -> None:
        self.domain.suspend()

    def resume(self) -> None:
        self.domain.resume()

    def save(self) -> None:
        self.domain.save(self.scratch)

    def restore(self) -> None:
        name = self.domain.name()
        self.connection.restore(self.scratch)
        self.domain = self.connection.lookupByName(name)

    def managed_save(self) -> None:
        self.domain.managedSave(0)

    def sweep(self) -> None:
        """Leave nothing behind, whatever the sequence left."""
        for domain in self.connection.listAllDomains(0):
            if f"<name>{domain.name()}</name>" in self.xml:
                for remove in (domain.destroy, domain.undefine):
                    try:
                        remove()
                    except libvirt.libvirtError:
                        continue


def operations(guest: Guest) -> dict[str, Callable[[], None]]:
    """By the name that ledgers use."""
    return {
        "create": guest.create, "define": guest.define, "start": guest.start,
        "alive": guest.alive, "beat": guest.alive, "pause": guest.alive, "reboot": guest.reboot,
        "shutdown": guest.shutdown, "destroy": guest.destroy, "undefine": guest.undefine,
        "suspend": guest.suspend, "resume": guest.resume, "save": guest.save,
        "restore": guest.restore, "managed_save": guest.managed_save,
    }  # fmt: skip


def once(guest: Guest, sequence: list[str]) -> str:
    """Play the sequence; the operation that the daemon did not survive, or nothing."""
    known = operations(guest)
    for op in sequence:
        try:
            known[op]()
        except libvirt.libvirtError as error:
            if error.get_error_code() in GONE and not guest.connection.isAlive():
                return f"{op}: {error.get_error_message()}"
            raise
    guest.sweep()
    return "" if guest.connection.isAlive() else "the end of the sequence"


def main() -> int:
    """Loop until it trips."""
    facts = json.loads((HERE / "reproduce.json").read_text())
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--connect", default=facts["connect"])
    words.add_argument("--loops", type=int, default=facts["loops"])
    asked = words.parse_args()
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        xml = (HERE / "domain.xml").read_text()
        guest = Guest(asked.connect, xml, facts["alive_seconds"], facts["scratch"])
    except libvirt.libvirtError as error:
        sys.stderr.write(f"cannot connect to {asked.connect}: {error}\n")
        return 2
    guest.sweep()
    for number in range(1, asked.loops + 1):
        if tripped := once(guest, facts["sequence"]):
            sys.stdout.write(f"tripped in loop {number} during {tripped}\n")
            return 1
    sequence = " ".join(facts["sequence"])
    sys.stdout.write(f"not tripped in {asked.loops} loops of {sequence}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
