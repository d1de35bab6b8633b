"""Room of our own on the host under test: a folder, a pool with volumes, a network, files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import libvirt

from suites.hypervisor.api import Session
from suites.hypervisor.handle import Handle
from suites.tck.device_xml import dir_pool_xml, network_xml, volume_xml
from suites.tck.names import PREFIX, Names

FOLDER = "/var/tmp"  # noqa: S108 - everything in it gets a name that nobody else has


class Scratch:
    """What cases put on the host. ``connect`` gives the connection, a new one after it broke."""

    def __init__(self, session: Session, names: Names, connect: Callable[[], Handle]) -> None:
        self._session = session
        self._names = names
        self._connect = connect
        self._folder: Path | None = None
        self._folders: list[Path] = []  # all that there have been

    def forget(self) -> None:
        """The connection broke: what there was belongs to names of before."""
        self._folder = None

    def close(self) -> None:
        """Remove local files."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """A folder of our own that the driver can write to, on the host under test.

        On another machine it is the folder of a storage pool, so that it can be swept.
        """
        if self._folder is None and self._session.local:
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=FOLDER))
            self._folders.append(self._folder)
        return self._folder or Path(FOLDER, self._names.called("pool"))

    @property
    def pool(self) -> Handle:
        """A storage pool on ``folder`` that outlives the cases. Raises libvirtError."""
        connection = self._connect()
        name = self._names.keep("pool")
        try:
            found: Handle = connection.storagePoolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
            found = connection.storagePoolDefineXML(dir_pool_xml(name, self.folder), 0)
            found.build(0)
            found.create(0)
        return found

    def volume(self, *, mib: int = 1, kind: str = "raw", name: str = "") -> Handle:
        """A new volume in ``pool``; it goes after the case."""
        xml = volume_xml(name or self._names.new(), mib=mib, kind=kind)
        made: Handle = self.pool.createXML(xml, 0)
        return made

    def shared_disk(self, content: bytes) -> str:
        """The path of a volume in ``pool`` that begins with ``content`` and outlives the cases."""
        pool = self.pool
        name = self._names.keep("disk")
        try:
            return str(pool.storageVolLookupByName(name).path())
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise
        volume = self.volume(name=name)
        stream = self._connect().newStream(0)
        volume.upload(stream, 0, len(content), 0)
        stream.send(content)
        stream.finish()
        return str(volume.path())

    def shared_network(self) -> str:
        """The name of an active network that leads nowhere and outlives the cases."""
        connection = self._connect()
        name = self._names.keep("net")
        try:
            connection.networkLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_NETWORK:
                raise
            connection.networkCreateXML(network_xml(name))
        return name

    def file(self) -> str:
        """A path for a new file in ``folder``; elsewhere always the same, to leave one at most."""
        if self._session.local:
            return str(self.folder / f"file-{self._names.number()}")
        return f"{FOLDER}/{PREFIX}{self._names.worker}.file"

    def sweep_volumes(self) -> dict[str, str]:
        """Remove what a case left in ``pool``; name and reason of what could not be."""
        pool = self.pool
        pool.refresh(0)
        for volume in pool.listAllVolumes(0):
            if volume.name() not in self._names.kept:
                volume.delete(0)
        names = {str(volume.name()) for volume in pool.listAllVolumes(0)} - self._names.kept
        return {name: f"the volume {name} could not be removed" for name in names}
