"""Events as they come: who, what, in which order."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import libvirt

from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle

SECONDS = 10.0
LATE_SECONDS = 1.0  # for an event that a younger one has overtaken
LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE


@dataclass
class EventLog:
    """The arguments of each event of one kind, without connection, object and opaque."""

    patience: float = 1.0
    seen: list[tuple[Any, ...]] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    _change: threading.Condition = field(default_factory=threading.Condition)

    def add(self, *values: Any) -> None:
        with self._change:
            self.seen.append(values)
            self._change.notify_all()

    def wait(
        self, what: str, fits: Callable[[tuple[Any, ...]], bool], *, seconds: float = SECONDS
    ) -> tuple[Any, ...]:
        """The first event that fits; fails when none comes in time."""
        until = time.monotonic() + seconds * self.patience
        with self._change:
            while not (found := [values for values in self.seen if fits(values)]):
                left = until - time.monotonic()
                assert left > 0, f"no event: {what}; seen: {self.seen}"
                self._change.wait(left)
        return found[0]

    def late(self, what: str, fits: Callable[[tuple[Any, ...]], bool]) -> tuple[Any, ...]:
        """The same for an event that a younger one has overtaken if it is still to come."""
        return self.wait(what, fits, seconds=LATE_SECONDS)

    def expect(self, *values: Any) -> None:
        """Wait for an event that begins with these values."""
        self.wait(str(values), lambda seen: seen[: len(values)] == values)


@contextlib.contextmanager
def domain_events(
    connection: Handle,
    kind: int,
    domain: Handle | None = None,
    *,
    patience: float = 1.0,
    prefix: str = "",
) -> Iterator[EventLog]:
    """Listen to one kind of event, of one domain or of all.

    An event of another domain than the one asked for is a failure; events of all are kept when
    the domain's name begins with ``prefix``.
    """
    log = EventLog(patience)
    name = domain.name() if domain is not None else ""

    def happened(_connection: Handle, about: Handle, *values: Any) -> None:
        told = about.name()
        if name and told != name:
            log.strangers.append(told)
        elif told.startswith(prefix):
            log.add(*values[:-1])

    number = connection.domainEventRegisterAny(domain, kind, happened, None)
    try:
        yield log
        assert not log.strangers, f"told of {log.strangers}, asked for {name} only"
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.domainEventDeregisterAny(number)


def let_younger_events_come(connection: Handle, domain: DomainXml, patience: float = 1.0) -> None:
    """Returns when the connection has been told of something that happened after this call began.

    Events come in the order in which they happened: what a call told before it returned has come
    by then, and nobody has to guess how long silence lasts. Defines ``domain`` for it.
    """
    with domain_events(connection, LIFECYCLE, patience=patience, prefix=domain.name) as younger:
        connection.defineXML(str(domain))
        younger.expect(libvirt.VIR_DOMAIN_EVENT_DEFINED)
