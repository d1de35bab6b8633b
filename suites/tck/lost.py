"""Domains that the hypervisor still runs although libvirt has lost them, as after its daemon died.

Their names stay taken. Ours are ended by the hypervisor's own tool where it is known; others are
named, and stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from ci.deadline import Deadline
from ci.shell import Argv, LocalShell
from suites.hypervisor.handle import Handle
from suites.tck.names import PREFIX

SECONDS = 60.0
COLUMNS = 5  # of ``xl list`` behind the name: number, memory, processors, state, time


@dataclass(frozen=True)
class Tool:
    """Commands of the hypervisor itself: ``listing`` prints its domains as ``xl list`` does,
    ``destroy`` ends the one whose number is put behind it. Empty: there is none."""

    listing: Argv = ()
    destroy: Argv = ()

    def running(self) -> dict[str, str]:
        """Name by number of each domain that runs, without the one that rules; none when it
        cannot be asked."""
        if not self.listing:
            return {}
        done = LocalShell().run(self.listing, Deadline.after(SECONDS))
        return parse(done.stdout) if done.ok else {}

    def end(self, number: str) -> str:
        """End a domain; why it could not be done, empty when it was."""
        if not self.destroy:
            return "no --hypervisor-destroy was given"
        done = LocalShell().run((*self.destroy, number), Deadline.after(SECONDS))
        return "" if done.ok else done.tail(1) or f"status {done.status}"


def parse(text: str) -> dict[str, str]:
    """The guests of ``xl list``: name by number. One that lost its name is called ``(null)``."""
    rows = (line.split() for line in text.splitlines()[1:])
    found = {row[-COLUMNS]: " ".join(row[:-COLUMNS]) for row in rows if len(row) > COLUMNS}
    return {number: name for number, name in found.items() if number != "0"}


@dataclass(frozen=True)
class Lost:
    """A domain that libvirt does not know. ``stays`` says why; empty when it was ended."""

    name: str
    ours: bool
    stays: str

    def __str__(self) -> str:
        what = f"the hypervisor runs {self.name}, which libvirt does not know"
        return f"{what}; it stays: {self.stays}" if self.stays else f"{what}; it was ended"


def end_lost(connection: Handle, tool: Tool, prefix: str = PREFIX) -> tuple[Lost, ...]:
    """End what is ours and lost; tell of everything that is lost."""
    running = tool.running()
    if not running:
        return ()
    active = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
    known = {str(domain.name()) for domain in connection.listAllDomains(active)}
    return tuple(
        _end(tool, number, name, prefix) for number, name in running.items() if name not in known
    )


def _end(tool: Tool, number: str, name: str, prefix: str) -> Lost:
    ours = name.startswith(prefix)
    why = tool.end(number) if ours else "its name is not one of ours"
    return Lost(f"{name} (number {number})", ours, why)
