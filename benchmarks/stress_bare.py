"""The bare minimum that our lifecycle loop is measured against: one straight script.

    python benchmarks/stress_bare.py URI LOOPS [KERNEL INITRD]

The same libvirt calls and the same proof of life (events, and the console's boot id where a guest
runs), no ledger, no deadlines, no recovery. Prints the seconds of each cycle.
"""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import libvirt

from suites.hypervisor.domain_xml import preferred
from suites.stress.domain_xml import GuestKind, domain_xml

NAME = "virtci-bare-0"
BEAT = re.compile(rb"virtci-guest beat=\d+ boot_id=([0-9a-f-]{36})")


class Bare:
    def __init__(self, uri: str, kernel: str, initrd: str) -> None:
        libvirt.registerErrorHandler(lambda *_: None, None)
        libvirt.virEventRegisterDefaultImpl()
        self.timer = libvirt.virEventAddTimeout(-1, lambda *_: None, None)
        self.connection = libvirt.open(uri)
        platform = preferred(self.connection.getCapabilities())
        kind = GuestKind(runs=bool(kernel), platform=platform, kernel=kernel, initrd=initrd)
        self.xml = domain_xml(NAME, kind)
        self.runs = kind.runs
        self.events: list[int] = []
        self.boots: list[bytes] = []
        self.text = b""
        self.ended = False
        register = self.connection.domainEventRegisterAny
        register(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._event, None)

    def _event(self, _: Any, __: Any, event: int, *___: Any) -> None:
        self.events.append(event)

    def _read(self, stream: Any, *_: Any) -> None:
        try:
            while (data := stream.recv(65536)) and data != -2:
                self.text += data
        except libvirt.libvirtError:
            data = b""
        if not data:
            stream.eventRemoveCallback()
            self.ended = True
        for boot in BEAT.findall(self.text):
            if boot not in self.boots:
                self.boots.append(boot)

    def wait(self, ready: Any) -> None:
        libvirt.virEventUpdateTimeout(self.timer, 120_000)
        while not ready():
            libvirt.virEventRunDefaultImpl()
        libvirt.virEventUpdateTimeout(self.timer, -1)

    def cycle(self) -> None:
        self.events, self.boots, self.text, self.ended = [], [], b"", False
        domain = self.connection.createXML(self.xml, 0)
        stream = self._console(domain) if self.runs else None
        self.alive(domain, 1)
        domain.reboot(0)
        self.alive(domain, 2)
        domain.shutdown()
        self.wait(lambda: libvirt.VIR_DOMAIN_EVENT_STOPPED in self.events)
        if stream is not None and not self.ended:
            stream.eventRemoveCallback()
            stream.abort()
        assert NAME not in [found.name() for found in self.connection.listAllDomains(0)]

    def _console(self, domain: Any) -> Any:
        stream = self.connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, stream, 0)
        stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE, self._read, None)
        return stream

    def alive(self, domain: Any, boots: int) -> None:
        if self.runs:
            self.wait(lambda: len(self.boots) >= boots)
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING


def main() -> None:
    uri, loops, *guest = sys.argv[1:]
    kernel, initrd = guest or ("", "")
    bare = Bare(uri, kernel, initrd)
    for _ in range(int(loops)):
        began = time.perf_counter()
        bare.cycle()
        print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
