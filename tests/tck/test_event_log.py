"""Silence is known by a younger event, not by a guess of how long it lasts."""

from __future__ import annotations

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.event_log import LIFECYCLE, domain_events, let_younger_events_come
from suites.tck.lab import Lab


@pytest.fixture
def connection(lab: Lab) -> Handle:
    return lab.connection


def test_what_happened_before_has_been_told_by_then(lab: Lab, connection: Handle) -> None:
    domain = connection.defineXML(str(lab.domain()))
    with domain_events(connection, LIFECYCLE, domain) as log:
        domain.create()
        let_younger_events_come(connection, lab.domain())
        assert log.seen == [
            (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED)
        ]


def test_an_event_that_does_not_come_is_missed(lab: Lab, connection: Handle) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE
    with domain_events(connection, kind, prefix=lab.name()) as log:
        let_younger_events_come(connection, lab.domain())
        with pytest.raises(AssertionError, match="no event: a start"):
            log.late("a start", lambda _: True)
