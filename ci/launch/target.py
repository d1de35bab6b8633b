"""What a suite is pointed at, and what is kept of it when it is over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.journal import read
from ci.model import Outcome, Record


class Target(Record, frozen=True, kw_only=True):
    """A hypervisor to test.

    ``hypervisor_list`` is a command that prints the hypervisor's own list of domains, independent
    of libvirt; ``hypervisor_destroy`` ends the one whose number is put behind it; ``daemon_probe``
    prints the daemon's pid and start time, ``daemon_backtrace`` the stacks of its threads; empty
    where there is none. ``inventory`` prints a line for each object that guests may leave on the
    host.
    ``host_shell`` runs the command that is put behind it on the daemon's host, where that is not
    this machine. ``daemon_restart`` restarts the daemon; ``destination`` is the URI of a second
    host to migrate to, ``migrate_uri`` what the two call each other where they cannot find that
    out. ``kernel`` and ``initrd`` are paths on the host.
    """

    host: str
    uri: str
    hypervisor: str
    kernel: str = ""
    initrd: str = ""
    hypervisor_list: tuple[str, ...] = ()
    hypervisor_destroy: tuple[str, ...] = ()
    daemon_probe: tuple[str, ...] = ()
    daemon_backtrace: tuple[str, ...] = ()
    host_shell: tuple[str, ...] = ()
    inventory: tuple[str, ...] = ()
    daemon_restart: tuple[str, ...] = ()
    destination: str = ""
    migrate_uri: str = ""


class _Ended(msgspec.Struct):
    """All that is asked of a case here."""

    outcome: Outcome


class SuiteEnd(Record, frozen=True, kw_only=True):
    """What the run's journal keeps of a suite; its cases are in the ledger."""

    suite: str
    host: str
    counts: dict[str, int]
    ledger: str

    @property
    def failed(self) -> bool:
        """Whether any case failed or broke."""
        return any(self.counts.get(str(o)) for o in (Outcome.FAILED, Outcome.BROKEN))


def suite_end(suite: str, target: Target, ledger: Path, relative: str) -> SuiteEnd:
    """Count what the ledger holds; a case that was repeated counts once, as it last ended."""
    counts = Counter(str(outcome) for outcome in outcomes_in(ledger).values())
    return SuiteEnd(suite=suite, host=target.host, counts=dict(counts), ledger=relative)


def outcomes_in(ledger: Path) -> dict[str, Outcome]:
    """Each case's last outcome, by its name; none when there is no ledger yet."""
    if not ledger.exists():
        return {}
    cases = (event for event in read(ledger, but="op") if event.what == "case")
    return {case.name: from_json(case.data, _Ended).outcome for case in cases}
