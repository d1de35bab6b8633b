"""What every case works with: the connection under test, names of our own, and a clean place."""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import libvirt

from ci.errors import InfraError
from suites.hypervisor.api import DaemonCrashed, Handle, Session
from suites.hypervisor.calls import Recorder
from suites.hypervisor.domain_xml import DomainXml, Platform, preferred
from suites.hypervisor.watchdog import Watchdog
from suites.tck.device_xml import dir_pool_xml, disk_xml, network_xml, volume_xml
from suites.tck.live import Guest
from suites.tck.spare import Spares
from suites.tck.verdict import Unsupported, is_unsupported

RESTART_SECONDS = 30.0
GUEST_MIB = 96
PREFIX = "virtci-tck-"
FOLDER = "/var/tmp"  # noqa: S108 - everything in it gets a name that nobody else has
Devices = Callable[[], tuple[str, ...]]
XEN_GUEST = ("/var/lib/virtci/guest/vmlinuz", "/var/lib/virtci/guest/initrd")


@dataclass(frozen=True)
class Options:
    """How the suite was asked to run. ``worker`` keeps parallel workers apart."""

    uri: str
    worker: str = "0"
    kernel: str = ""
    initrd: str = ""
    destructive: bool = False
    patience: float = 1.0
    daemon_probe: tuple[str, ...] = ()
    daemon_backtrace: tuple[str, ...] = ()
    hypervisor_list: tuple[str, ...] = ()
    hypervisor_destroy: tuple[str, ...] = ()


class Lab:
    """One connection under test and what the cases need around it."""

    def __init__(self, options: Options, recorder: Recorder, watchdog: Watchdog) -> None:
        self.options = options
        self.recorder = recorder
        self.watchdog = watchdog
        self.session = self.another()
        self.kept: set[str] = set()  # names of shared objects that outlive a case
        self.spares = Spares(self.kept)
        self._numbers = itertools.count(1)
        self.reconnected = False  # until somebody has cleared away what was there before
        self._looking: Session | None = None
        self._live: Guest | None = None  # a booted guest that nobody uses now
        self._platform: Platform | None = None
        self._folder: Path | None = None
        self._folders: list[Path] = []  # all that there have been
        self.driver = ""
        self._begin_anew()

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

        Raises libvirtError; DaemonCrashed, once, when the daemon died after the last call.
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
        """Take names that no earlier run had, nor this one before its daemon died: a domain that
        was half made then can hold its name although nobody lists it."""
        self._mark = secrets.token_hex(2)
        self.kept.clear()
        self.spares.forget()
        self._live = None
        self._folder = None

    def _open(self) -> None:
        """Open at once the first time; later wait for a daemon that is being started again."""
        until = time.monotonic() + (RESTART_SECONDS * self.options.patience if self.driver else 0)
        while True:
            try:
                self.session.open()
            except libvirt.libvirtError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.2)
            else:
                return

    @property
    def platform(self) -> Platform:
        """What kind of domain is tested here."""
        if self._platform is None:
            self._platform = preferred(self.connection.getCapabilities(), accelerate=False)
        return self._platform

    @property
    def prefix(self) -> str:
        """What our names begin with. Parallel workers keep apart; alone one sweeps for all."""
        return f"{PREFIX}{self.options.worker}-" if self.options.worker != "0" else PREFIX

    def name(self) -> str:
        """A name that nobody else has."""
        return self._called(str(next(self._numbers)))

    def _called(self, what: str) -> str:
        return f"{PREFIX}{self.options.worker}-{self._mark}-{what}"

    @property
    def octet(self) -> int:
        """The third part of our networks' addresses, apart from those of other workers."""
        return 71 + int(self.options.worker.removeprefix("gw") or 0) % 150

    def domain(self) -> DomainXml:
        """The smallest domain that starts here, with a new name."""
        kernel, initrd = self.guest_files() if self.platform.needs_kernel else ("", "")
        return DomainXml(name=self.name(), platform=self.platform, kernel=kernel, initrd=initrd)

    def shared(self, what: str = "shared", devices: Devices = tuple) -> Handle:
        """A running domain for cases that leave it as it is; started anew when one did not.

        There is one of each ``what``; ``devices`` gives what it has besides.
        """
        connection = self.connection  # a new one begins new names
        name = self._called(what)
        self.kept.add(name)
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

    @property
    def folder(self) -> Path:
        """A folder of our own that the driver can write to, on the host under test.

        On another machine it is the folder of a storage pool, so that it can be swept.
        """
        if self._folder is None and self.session.local:
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=FOLDER))
            self._folders.append(self._folder)
        return self._folder or Path(FOLDER, self._called("pool"))

    @property
    def pool(self) -> Handle:
        """A storage pool on ``folder`` that outlives the cases. Raises libvirtError."""
        connection = self.connection
        name = self._called("pool")
        self.kept.add(name)
        try:
            found: Handle = connection.storagePoolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
            found = connection.storagePoolDefineXML(dir_pool_xml(name, self.folder), 0)
            found.build(0)
            found.create(0)
        return found

    def shared_disk(self, content: bytes) -> str:
        """The path of a volume in ``pool`` that begins with ``content`` and outlives the cases."""
        pool, name = self.pool, self._called("disk")
        self.kept.add(name)
        try:
            return str(pool.storageVolLookupByName(name).path())
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise
        volume = self.volume(name=name)
        stream = self.connection.newStream(0)
        volume.upload(stream, 0, len(content), 0)
        stream.send(content)
        stream.finish()
        return str(volume.path())

    def shared_network(self) -> str:
        """The name of an active network that leads nowhere and outlives the cases."""
        connection = self.connection
        name = self._called("net")
        self.kept.add(name)
        try:
            connection.networkLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_NETWORK:
                raise
            connection.networkCreateXML(network_xml(name))
        return name

    def volume(self, *, mib: int = 1, kind: str = "raw", name: str = "") -> Handle:
        """A new volume in ``pool``; it goes after the case."""
        xml = volume_xml(name or self.name(), mib=mib, kind=kind)
        made: Handle = self.pool.createXML(xml, 0)
        return made

    def disk_file(self) -> tuple[str, bool]:
        """Something on the host that can serve as a raw disk, and whether it is only for reading.

        Where there is no storage driver that is the guest's initrd.
        """
        try:
            return str(self.volume().path()), False
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

    def file(self) -> str:
        """A path for a new file in ``folder``; elsewhere always the same, to leave one at most."""
        if self.session.local:
            return str(self.folder / f"file-{next(self._numbers)}")
        return f"{FOLDER}/{PREFIX}{self.options.worker}.file"

    def sweep_volumes(self) -> dict[str, str]:
        """Remove what a case left in ``pool``; name and reason of what could not be."""
        pool = self.pool
        pool.refresh(0)
        for volume in pool.listAllVolumes(0):
            if volume.name() not in self.kept:
                volume.delete(0)
        names = {str(volume.name()) for volume in pool.listAllVolumes(0)} - self.kept
        return {name: f"the volume {name} could not be removed" for name in names}

    def close(self) -> None:
        """Let go of the connections and of local files."""
        if self._looking is not None:
            self._looking.close()
        self.session.close()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
