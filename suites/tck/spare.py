"""Running domains that one case hands on to the next, when it left them as it got them.

Starting one costs a third of a second under QEMU and several on Xen; asking what it is like does
not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import libvirt

from suites.hypervisor.handle import Handle
from suites.tck.domains import PAUSED, RUNNING, state
from suites.tck.verdict import is_unsupported

MOST = 6

Lend = Callable[[str, Callable[[], Handle]], Handle]


@dataclass(frozen=True)
class Look:
    """All that a case can have changed of a domain."""

    persistent: int
    live: str
    config: str
    state: int  # without its reason, which every pause changes
    autostart: int
    saved: int
    snapshots: int
    checkpoints: int
    job: int  # one that goes on is the next case's trouble


@dataclass(frozen=True)
class Spare:
    domain: Handle
    look: Look


class Spares:
    """At most one domain of each kind, and MOST in all. ``kept``: names that are not swept."""

    def __init__(self, kept: set[str]) -> None:
        self._kept = kept
        self._spares: dict[str, Spare] = {}
        self._lent: dict[str, Spare] = {}

    def borrow(self, kind: str, make: Callable[[], Handle]) -> Handle:
        """The domain of this kind that the last case left as it was, or a new one."""
        spare = self._spares.pop(kind, None)
        if spare is None or look_at(spare.domain) != spare.look:
            domain = make()
            look = look_at(domain)
            spare = Spare(domain, look) if look else None
        if spare is None:
            return domain
        self._lent[kind] = spare
        return spare.domain

    def give_back(self, kind: str, *, any_run: bool = False) -> None:
        """Keep it for the next case, or let it be swept. One that was left paused goes on.

        With ``any_run`` it only has to run with the same configuration: what is of one run alone
        (its id, its consoles, what was changed live) may be other than it was.
        """
        lent = self._lent.pop(kind, None)
        if lent is None:
            return
        look = _look_of_resumed(lent)
        if look is not None and lent.look == (_in_run_of(lent.look, look) if any_run else look):
            self._kept.add(str(lent.domain.name()))
            self._spares[kind] = Spare(lent.domain, look)
            self._drop_oldest()
        else:
            self._kept.discard(str(lent.domain.name()))

    def _drop_oldest(self) -> None:
        """Let those be swept that nobody wanted for longest: each that runs takes memory."""
        for kind in tuple(self._spares)[:-MOST]:
            self._kept.discard(str(self._spares.pop(kind).domain.name()))

    def forget(self) -> None:
        """Their connection broke."""
        self._spares.clear()
        self._lent.clear()


def _in_run_of(earlier: Look, look: Look) -> Look:
    """What it would be like if it were still in the run of ``earlier``."""
    return replace(look, live=earlier.live)


def _look_of_resumed(lent: Spare) -> Look | None:
    """What the domain is like once it runs again if it ran before and is only paused."""
    look = look_at(lent.domain)
    if look is None or (look.state, lent.look.state) != (PAUSED, RUNNING):
        return look
    try:
        lent.domain.resume()
    except libvirt.libvirtError:
        return look
    return look_at(lent.domain)


def look_at(domain: Handle) -> Look | None:
    """What the domain is like; None when it is gone or cannot be asked."""
    try:
        return Look(
            persistent=int(domain.isPersistent()),
            live=str(domain.XMLDesc(0)),
            config=str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)),
            state=state(domain),
            autostart=int(domain.autostart()),
            saved=_or_none(lambda: domain.hasManagedSaveImage(0)),
            snapshots=_or_none(lambda: domain.snapshotNum(0)),
            checkpoints=_or_none(lambda: len(domain.listAllCheckpoints(0))),
            job=_or_none(lambda: domain.jobInfo()[0]) if domain.isActive() else 0,
        )
    except libvirt.libvirtError:
        return None


def _or_none(ask: Callable[[], int]) -> int:
    """The answer; none when the driver does not have the call."""
    try:
        return int(ask())
    except libvirt.libvirtError as error:
        if not is_unsupported(error):
            raise
        return 0
