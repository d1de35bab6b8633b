"""Questions that monitoring asks all the time, here between the steps of a scenario."""

from __future__ import annotations

from ci.errors import ProductError
from suites.stress.guest import Guest
from suites.stress.step import Step


def chatter(guest: Guest, _: Step) -> None:
    """List, info, statistics and XML of the guest; they must agree that it is there."""
    raw = guest.connection.raw
    domains = guest.call(raw.listAllDomains, 0)
    if guest.name not in {domain.name() for domain in domains}:
        raise ProductError(f"{guest.name} is not in libvirt's list of domains")
    guest.call(guest.domain.info)
    guest.call(guest.domain.XMLDesc, 0)
    guest.call(raw.getAllDomainStats, 0, 0)
