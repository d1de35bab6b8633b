"""What every case works with: the connection under test, names of our own, and a clean place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import libvirt

from ci.errors import InfraError
from suites.hypervisor.api import CallHung, DaemonCrashed, Session
from suites.hypervisor.calls import Recorder
from suites.hypervisor.domain_xml import DomainXml, Platform, preferred
from suites.hypervisor.handle import Handle
from suites.hypervisor.watchdog import Watchdog
from suites.tck.away import POLL_SECONDS, Away
from suites.tck.device_xml import disk_xml
from suites.tck.live import Guest
from suites.tck.names import Names
from suites.tck.options import Options
from suites.tck.scratch import Scratch
from suites.tck.spare import Spares
from suites.tck.verdict import Unsupported, is_unsupported

GUEST_MIB = 96
Devices = Callable[[], tuple[str, ...]]
XEN_GUEST = ("/var/lib/virtci/guest/vmlinuz", "/var/lib/virtci/guest/initrd")


class Lab:
    """One connection under test and what the cases need around it."""

    def __init__(self, options: Options, recorder: Recorder, watchdog: Watchdog) -> None:
        self.options = options
        self.recorder = recorder
        self.watchdog = watchdog
        self.session = self.another()
        self.names = Names(options.worker)
        self.kept = self.names.kept  # shared objects that outlive a case
        self.spares = Spares(self.kept)
        self.scratch = Scratch(self.session, self.names, lambda: self.connection)
        self.reconnected = False  # until somebody has cleared away what was there before
        self.unsaid: CallHung | DaemonCrashed | None = None  # until the next case has told of it
        self._away = Away(options.patience)
        self._looking: Session | None = None
        self._live: Guest | None = None  # a booted guest that nobody uses now
        self._platform: Platform | None = None
        self.driver = ""

    def another(self, uri: str = "") -> Session:
        """A session of its own, to this driver or another one; the caller opens and closes it."""
        return Session(
            uri or self.options.uri,
            self.recorder,
            self.watchdog,
            patience=self.options.patience,
            daemon_probe=self.options.daemon_probe if not uri else (),
            daemon_backtrace=self.options.daemon_backtrace if not uri else (),
        )

    def looking(self) -> Handle:
        """A read-only connection, the same for all cases: opening one can take seconds."""
        if self._looking is None or not self._looking.alive():
            self._looking = self.another()
            self._looking.open(read_only=True)
        return self._looking.connection

    @property
    def connection(self) -> Handle:
        """The connection, opened anew when the last case broke it.

        Raises libvirtError; DaemonCrashed, once, when the daemon died after the last call;
        CallHung; InfraError when nobody answers any more.
        """
        if not self.session.alive():
            died = self.session.died_unseen()
            self.reconnected = bool(self.driver)
            self.session.close()
            self._open()
            self.driver = str(self.session.connection.getType()).lower()
            if self.reconnected:
                self._begin_anew()
            if died:
                raise DaemonCrashed(died)
        return self.session.connection

    def _begin_anew(self) -> None:
        """What there was belongs to the connection of before."""
        self.names.begin_anew()
        self.spares.forget()
        self.scratch.forget()
        self._live = None

    def _open(self) -> None:
        """Open at once the first time; later wait, once, for a daemon that is started again."""
        until = time.monotonic() + (self._away.seconds() if self.driver else 0)
        with self._away.attempt(self.session.hung_on):
            while True:
                try:
                    self.session.open()
                except libvirt.libvirtError:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(POLL_SECONDS)
                else:
                    return

    @property
    def platform(self) -> Platform:
        """What kind of domain is tested here."""
        if self._platform is None:
            self._platform = preferred(self.connection.getCapabilities(), accelerate=False)
        return self._platform

    def name(self) -> str:
        """A name that nobody else has."""
        return self.names.new()

    def domain(self) -> DomainXml:
        """The smallest domain that starts here, with a new name."""
        kernel, initrd = self.guest_files() if self.platform.needs_kernel else ("", "")
        return DomainXml(name=self.name(), platform=self.platform, kernel=kernel, initrd=initrd)

    def shared(self, what: str = "shared", devices: Devices = tuple) -> Handle:
        """A running domain for cases that leave it as it is; started anew when one did not.

        There is one of each ``what``; ``devices`` gives what it has besides.
        """
        connection = self.connection  # a new one begins new names
        name = self.names.keep(what)
        try:
            found: Handle = connection.lookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            xml = replace(self.domain(), name=name).but(devices=devices())
            found = connection.defineXML(str(xml))
        if not found.isActive():
            found.create()
        return found

    def booting(self) -> DomainXml:
        """A domain that boots the probe guest. Raises InfraError when there is none."""
        if self.platform.type == "test":
            raise Unsupported("the test driver has no guests that could boot")
        kernel, initrd = self.guest_files()
        return replace(
            self.domain(), mib=GUEST_MIB, kernel=kernel, initrd=initrd, cmdline=self._cmdline()
        )

    def _cmdline(self) -> str:
        return f"console={'hvc0' if self.platform.type == 'xen' else 'ttyS0'} quiet panic=-1"

    def savable(self) -> DomainXml:
        """The smallest domain that can be saved once it is ``up``."""
        return self.booting() if self.platform.needs_kernel else self.domain()

    def savable_domain(self) -> Handle:
        """A new one, up."""
        return self.up(self.connection.defineXML(str(self.savable())))

    def up(self, domain: Handle) -> Handle:
        """Start it if it does not run, and wait for its heart where a save needs one."""
        if not domain.isActive():
            domain.create()
        if self.platform.needs_kernel:
            guest = Guest(self.connection, domain, self.options.patience)
            guest.reopen()
            guest.beat()
            guest.close()
        return domain

    def start_guest(self) -> Guest:
        """A new guest, started; the caller closes it."""
        domain = self.connection.defineXML(str(self.booting()))
        domain.create()
        guest = Guest(self.connection, domain, self.options.patience)
        guest.reopen()
        return guest

    def borrow_guest(self) -> Guest:
        """A booted guest: the one that the last case left running, or a new one."""
        live, self._live = self._live, None
        if live is not None and self._still_fit(live):
            live.reopen()
            return live
        live = self.start_guest()
        self.kept.add(str(live.domain.name()))
        return live

    def give_back(self, guest: Guest) -> None:
        """Keep a guest that still runs for the next case; others are swept."""
        guest.close()
        if self._still_fit(guest):
            self._live = guest
        else:
            self.kept.discard(str(guest.domain.name()))

    def _still_fit(self, guest: Guest) -> bool:
        """Whether it runs, is persistent, and belongs to the connection of today."""
        if not self.session.alive() or guest.connection is not self.session.connection:
            return False
        try:
            running = guest.domain.state(0)[0] == libvirt.VIR_DOMAIN_RUNNING
            return bool(running and guest.domain.isPersistent())
        except libvirt.libvirtError:
            return False

    def guest_files(self) -> tuple[str, str]:
        """Kernel and initrd of the probe guest, on the host under test.

        Raises InfraError when none were named.
        """
        if self.options.kernel:
            return self.options.kernel, self.options.initrd
        if self.platform.type == "xen":
            return XEN_GUEST
        raise InfraError(
            "this case boots a guest, and no --guest-kernel was given",
            hint="virtci guest build prints where kernel and initrd lie",
        )

    def disk_file(self) -> tuple[str, bool]:
        """Something on the host that can serve as a raw disk, and whether it is only for reading.

        Where there is no storage driver that is the guest's initrd.
        """
        try:
            return str(self.scratch.volume().path()), False
        except libvirt.libvirtError as error:
            if self.platform.type != "xen" or not is_unsupported(error):
                raise
            return self.guest_files()[1], True

    def disk_xml(self, target: str, *, path: str = "", kind: str = "raw") -> str:
        """A disk as XML, on a new volume when no path is given."""
        read_only = False
        if not path:
            path, read_only = self.disk_file()
        return disk_xml(path, target, kind=kind, read_only=read_only)

    def close(self) -> None:
        """Let go of the connections and of local files."""
        if self._looking is not None:
            self._looking.close()
        self.session.close()
        self.scratch.close()
