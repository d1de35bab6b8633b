"""The hypervisor under stress: its connection, its daemon, and what of ours is on it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import libvirt

from ci.deadline import Deadline, wait_until
from ci.errors import InfraError, Interrupted
from ci.places import cache_folder
from ci.shell import LocalShell
from suites.stress import listing
from suites.stress.amplifiers.knob import Setting
from suites.stress.connection import Connection
from suites.stress.domain_xml import PREFIX, GuestKind, choose_platform
from suites.stress.events import EVENTS
from suites.stress.guard import Guard, Rescuer
from suites.stress.options import Options
from suites.stress.vitals import read_vitals

RECONNECT_SECONDS = 60.0
QUIET_SECONDS = 0.5
PROBE_SECONDS = 30.0
PROBED = 5  # pid, start, descriptors, threads, KiB in memory: a probe may stop after the pid
SCRATCH = "/var/lib/libvirt"  # it is on every host that has a libvirtd
WITHOUT_GUESTS = ("TEST",)  # drivers that only keep state


@dataclass(frozen=True, slots=True)
class DaemonId:
    """Pid and start time (clock ticks since boot) of a daemon; zeros when nobody can tell."""

    pid: int = 0
    start: int = 0


class Host:
    """Opened once, opened anew after each death of the daemon."""

    def __init__(
        self, options: Options, rescuer: Rescuer, heard: Callable[[str, str], None]
    ) -> None:
        self.options = options
        self.guard = Guard(rescuer)
        self._heard = heard
        self.connection = self._new_connection()
        self.driver = ""
        self.interrupted = False  # somebody asked the loop to end
        self.daemon = DaemonId()
        self._tells_vitals = False
        self.remarks: set[str] = set()  # what operations did other than they were asked
        self.crossed: set[bool] = set()  # the ways that guests have migrated: True is home

    def _new_connection(self) -> Connection:
        return Connection(
            self.options.connect,
            self.guard,
            self._heard,
            call_seconds=self.options.call_seconds,
            daemon_backtrace=self.options.daemon_backtrace,
        )

    def open(self) -> None:
        """Connect. Raises InfraError when nobody answers."""
        self.connection.open()
        self.driver = self.connection.call(self.connection.raw.getType)
        self.daemon = self._identify()

    def close(self) -> None:
        self.connection.close()

    def go_on(self) -> None:
        """Raise Interrupted when somebody has asked the loop to end."""
        if self.interrupted:
            raise Interrupted("the loop was asked to end")

    def guest_kind(self) -> GuestKind:
        """How guests are made here."""
        options = self.options
        text = self.connection.call(self.connection.raw.getCapabilities)
        return GuestKind(
            runs=self.driver not in WITHOUT_GUESTS,
            platform=choose_platform(text, options.guest_kind),
            kernel=options.guest_kernel,
            initrd=options.guest_initrd,
            memory_mib=options.memory_mib,
        )

    def _identify(self) -> DaemonId:
        if (local := self.connection.daemon) is not None:
            return DaemonId(local.pid, local.start)
        if not self.options.daemon_probe:
            return DaemonId()
        said = self._probe()
        self._tells_vitals = len(said) >= PROBED
        return DaemonId(*said[:2])

    def _probe(self) -> list[int]:
        done = LocalShell().run(self.options.daemon_probe, Deadline.after(PROBE_SECONDS))
        return [int(word) for word in done.stdout.split() if word.isdigit()] if done.ok else []

    @property
    def local(self) -> bool:
        """Whether the daemon runs on this machine, where /proc shows it."""
        return self.connection.daemon is not None

    def setting(self) -> Setting:
        """What knobs are turned on for: the daemon, and the way to its host when that is not here.

        A daemon that cannot be reached there has no process for them.
        """
        shell = () if self.local else self.options.host_shell
        pid = self.daemon.pid if self.local or shell else 0
        return Setting(uri=self.options.connect, daemon_pid=pid, shell=shell)

    def unseen(self) -> tuple[str, ...]:
        """What cannot be looked at here, for the verdict."""
        if self.driver in WITHOUT_GUESTS:
            return ("no guest ran: states and events only",)
        said = []
        if not self.options.hypervisor_list and not (self.driver == "QEMU" and self.local):
            said.append("the hypervisor's own list was not looked at")
        if not self.daemon.pid:
            said.append("nobody watched the daemon's process")
        elif not self.vital_pid:
            said.append("the daemon's descriptors, threads and memory were not looked at")
        if self.driver not in EVENTS:
            said.append("events were not judged")
        return tuple(said)

    @property
    def vital_pid(self) -> int:
        """The process whose leaks can be seen from here; 0 if it is elsewhere."""
        if self.driver in WITHOUT_GUESTS and not self.local:
            return os.getpid()
        return self.daemon.pid if self.local or self._tells_vitals else 0

    def read_vitals(self, pid: int) -> tuple[float, float, float]:
        """Its descriptors, threads and KiB in memory. Raises OSError when it is gone."""
        if self.vital_pid == os.getpid() or self.local:
            return read_vitals(pid)
        said = self._probe()
        if len(said) < PROBED or said[0] != pid:
            raise ProcessLookupError(pid)
        return said[2], said[3], said[4]

    @property
    def scratch(self) -> str:
        """The folder on the host for saved guests and disks."""
        in_this_process = self.driver in WITHOUT_GUESTS
        own = str(cache_folder("stress")) if in_this_process else SCRATCH
        return self.options.scratch or own

    def reconnect(self) -> str:
        """Connect anew; say what became of the daemon. Raises TimedOut when it stays away."""
        before = self.daemon
        self.connection.close()

        def opened() -> bool:
            with contextlib.suppress(InfraError):
                self.connection = self._new_connection()
                self.open()
                return True
            return False

        wait_until("the daemon to come back", opened, Deadline.after(RECONNECT_SECONDS), every=0.1)
        if not before.pid:
            return " (connected anew)"
        if before == self.daemon:
            return f" (connected anew; the daemon is still process {before.pid})"
        return f" (the daemon was process {before.pid}, now it is process {self.daemon.pid})"

    # what is there

    def libvirt_names(self) -> frozenset[str]:
        """The names of all domains that libvirt knows, active or not."""
        domains = self.connection.call(self.connection.raw.listAllDomains, 0)
        return frozenset(domain.name() for domain in domains)

    def libvirt_list(self, name: str) -> frozenset[str]:
        """``name`` if libvirt knows such a domain."""
        return self.libvirt_names() & {name}

    @property
    def own_processes(self) -> bool:
        """Whether its guests are processes of this machine, where /proc shows them."""
        return self.driver == "QEMU" and self.local

    def hypervisor_list(self) -> tuple[str, ...]:
        """The names of all guests that the hypervisor itself runs, each as often as it runs."""
        if self.options.hypervisor_list:
            return listing.by_command(self.options.hypervisor_list, self.options.call_seconds)
        if self.own_processes:
            return tuple(listing.qemu_processes(self.daemon.pid).values())
        return ()

    def running(self, name: str) -> int | None:
        """How many times the hypervisor runs it, where that costs no login; else None."""
        if not self.own_processes or self.options.hypervisor_list:
            return None
        return self.hypervisor_list().count(name)

    def end_orphans(self, name: str) -> str:
        """End the guest's processes that libvirt knows nothing of any more; which they were."""
        if not self.own_processes or self.libvirt_list(name):
            return ""
        found = [
            pid for pid, guest in listing.qemu_processes(self.daemon.pid).items() if guest == name
        ]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return f"; ended QEMU of {name} that libvirt had lost: {found}" if found else ""

    def sweep(self, name: str, *, alone: bool) -> None:
        """Remove our guest ``name``, or when ``alone`` all of ours; nobody else's.

        The events of their end are waited for: they are not those of the next guest.
        """
        swept = False
        for domain in self.connection.call(self.connection.raw.listAllDomains, 0):
            found = domain.name()
            if found == name or (alone and found.startswith(PREFIX)):
                self._remove(domain)
                swept = True
        if swept:
            self.connection.pause(QUIET_SECONDS)

    def _remove(self, domain: Any) -> None:
        flags = (
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        )
        persistent = domain.isPersistent()
        if domain.isActive():
            with contextlib.suppress(libvirt.libvirtError):
                self.connection.call(domain.destroy)
        if persistent:
            with contextlib.suppress(libvirt.libvirtError):
                self.connection.call(domain.undefineFlags, flags)
                return
            with contextlib.suppress(libvirt.libvirtError):
                self.connection.call(domain.undefine)
