"""What cases ask about domains, in their words."""

from __future__ import annotations

import time
from collections.abc import Callable

import libvirt
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle

RUNNING = libvirt.VIR_DOMAIN_RUNNING
PAUSED = libvirt.VIR_DOMAIN_PAUSED
SHUTOFF = libvirt.VIR_DOMAIN_SHUTOFF
LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG


def state(domain: Handle) -> int:
    return int(domain.state(0)[0])


def reason(domain: Handle) -> int:
    return int(domain.state(0)[1])


def names(connection: Handle, flags: int = 0) -> set[str]:
    """The names of the domains that ``flags`` of listAllDomains choose."""
    return {str(domain.name()) for domain in connection.listAllDomains(flags)}


def text(domain: Handle, path: str, flags: int = 0) -> str:
    """The text at ``path`` of the domain's XML; empty when there is none."""
    return str(fromstring(domain.XMLDesc(flags)).findtext(path) or "").strip()


def eventually(what: str, probe: Callable[[], bool], seconds: float = 10.0) -> None:
    """``probe`` has to become true within ``seconds``."""
    until = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < until, f"{what}: not so after {seconds:.0f} s"
        time.sleep(0.02)
