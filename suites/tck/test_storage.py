"""Storage pools and volumes: made, listed, filled, read, copied, wiped, resized, deleted."""

from __future__ import annotations

from pathlib import Path

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.device_xml import dir_pool_xml, volume_xml
from suites.tck.event_log import EventLog
from suites.tck.lab import Lab
from suites.tck.verdict import refused

MIB = 1024 * 1024


@pytest.fixture
def defined(lab: Lab, connection: Handle) -> Handle:
    """A persistent pool whose folder does not exist yet."""
    name = lab.name()
    made: Handle = connection.storagePoolDefineXML(dir_pool_xml(name, lab.scratch.folder / name), 0)
    return made


@pytest.fixture
def pool(defined: Handle) -> Handle:
    """An active pool."""
    defined.build(0)
    defined.create(0)
    return defined


@pytest.fixture
def volume(lab: Lab, pool: Handle) -> Handle:
    """A raw volume of 1 MiB."""
    made: Handle = pool.createXML(volume_xml(lab.name(), mib=1, allocation_mib=1), 0)
    return made


def test_a_defined_pool_is_persistent_and_inactive(defined: Handle) -> None:
    assert (defined.isPersistent(), defined.isActive()) == (1, 0)


def test_a_pool_is_found_by_its_name(connection: Handle, defined: Handle) -> None:
    found = connection.storagePoolLookupByName(defined.name())
    assert found.UUIDString() == defined.UUIDString()


def test_a_pool_is_found_by_its_uuid(connection: Handle, defined: Handle) -> None:
    assert connection.storagePoolLookupByUUIDString(defined.UUIDString()).name() == defined.name()


def test_a_pool_is_found_by_its_raw_uuid(connection: Handle, defined: Handle) -> None:
    assert connection.storagePoolLookupByUUID(defined.UUID()).name() == defined.name()


def test_a_pool_is_found_by_its_folder(connection: Handle, pool: Handle) -> None:
    path = fromstring(pool.XMLDesc(0)).findtext("target/path")
    assert connection.storagePoolLookupByTargetPath(path).name() == pool.name()


def test_a_defined_pool_is_listed_as_such(connection: Handle, defined: Handle) -> None:
    assert defined.name() in connection.listDefinedStoragePools()
    assert defined.name() not in connection.listStoragePools()


@pytest.mark.alone
def test_pools_count(connection: Handle, defined: Handle) -> None:
    before, active = connection.numOfDefinedStoragePools(), connection.numOfStoragePools()
    defined.build(0)
    defined.create(0)
    assert connection.numOfDefinedStoragePools() == before - 1
    assert connection.numOfStoragePools() == active + 1


def test_a_pool_makes_its_folder(lab: Lab, defined: Handle) -> None:
    if not lab.session.local:
        pytest.skip("the folder is on another machine")
    if lab.platform.type == "test":
        pytest.skip("the test driver's pools have no folders")
    assert defined.build(0) == 0
    assert Path(fromstring(defined.XMLDesc(0)).findtext("target/path") or "").is_dir()


def test_a_pool_without_its_folder_does_not_start(defined: Handle) -> None:
    with refused(
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    ):
        defined.create(0)


def test_an_active_pool_is_listed_as_such(connection: Handle, pool: Handle) -> None:
    assert pool.name() in connection.listStoragePools()
    flags = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
    assert pool.name() in [one.name() for one in connection.listAllStoragePools(flags)]


def test_a_pool_cannot_be_started_twice(pool: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        pool.create(0)


def test_a_stopped_pool_keeps_its_configuration(connection: Handle, pool: Handle) -> None:
    pool.destroy()
    assert pool.name() in connection.listDefinedStoragePools()


def test_an_inactive_pool_cannot_be_stopped(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.destroy()


def test_an_active_pool_cannot_be_undefined(pool: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        pool.undefine()


def test_an_undefined_pool_is_not_found(connection: Handle, defined: Handle) -> None:
    name = defined.name()
    defined.undefine()
    with refused(libvirt.VIR_ERR_NO_STORAGE_POOL):
        connection.storagePoolLookupByName(name)


def test_a_pool_can_be_deleted_with_its_folder(pool: Handle) -> None:
    pool.destroy()
    assert pool.delete(0) == 0
    pool.build(0)  # so that the sweep finds what it expects


def test_an_active_pool_cannot_be_deleted(pool: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        pool.delete(0)


def test_a_pool_can_start_by_itself(defined: Handle) -> None:
    assert defined.autostart() == 0
    defined.setAutostart(1)
    assert defined.autostart() == 1


def test_a_transient_pool_is_gone_when_stopped(lab: Lab, connection: Handle, pool: Handle) -> None:
    name = lab.name()
    path = Path(fromstring(pool.XMLDesc(0)).findtext("target/path") or "")
    other = connection.storagePoolCreateXML(dir_pool_xml(name, path / ".."), 0)
    assert other.isPersistent() == 0
    other.destroy()
    with refused(libvirt.VIR_ERR_NO_STORAGE_POOL):
        connection.storagePoolLookupByName(name)


def test_the_space_of_a_pool_is_told(pool: Handle) -> None:
    state, capacity, allocation, available = pool.info()
    assert state == libvirt.VIR_STORAGE_POOL_RUNNING
    assert capacity >= available > 0
    assert allocation == capacity - available, "what is not free is taken"


def test_a_pool_can_look_again(pool: Handle) -> None:
    assert pool.refresh(0) == 0


def test_an_inactive_pool_cannot_look_again(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.refresh(0)


def test_two_pools_cannot_share_a_folder(lab: Lab, connection: Handle, defined: Handle) -> None:
    path = Path(fromstring(defined.XMLDesc(0)).findtext("target/path") or "")
    with refused(libvirt.VIR_ERR_OPERATION_FAILED):
        connection.storagePoolDefineXML(dir_pool_xml(lab.name(), path), 0)


def test_what_is_no_pool_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL):
        connection.storagePoolDefineXML("<domain/>", 0)


def test_a_kind_of_pool_that_is_none_is_refused(lab: Lab, connection: Handle) -> None:
    xml = f"<pool type='virtci'><name>{lab.name()}</name></pool>"
    with refused(
        libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL, libvirt.VIR_ERR_INTERNAL_ERROR
    ):
        connection.storagePoolDefineXML(xml, 0)


def test_a_description_survives_the_round_trip(connection: Handle, defined: Handle) -> None:
    first = defined.XMLDesc(0)
    connection.storagePoolDefineXML(first, 0)
    assert defined.XMLDesc(0) == first


def test_sources_of_a_kind_can_be_looked_for(connection: Handle) -> None:
    assert "<sources" in connection.findStoragePoolSources("logical", None, 0)


def test_the_life_of_a_pool_is_told(connection: Handle, defined: Handle) -> None:
    log = EventLog()
    number = connection.storagePoolEventRegisterAny(
        defined,
        libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
        lambda _connection, _pool, event, detail, _opaque: log.add(event, detail),
        None,
    )
    try:
        defined.build(0)
        defined.create(0)
        log.expect(libvirt.VIR_STORAGE_POOL_EVENT_STARTED)
        defined.destroy()
        log.expect(libvirt.VIR_STORAGE_POOL_EVENT_STOPPED)
    finally:
        connection.storagePoolEventDeregisterAny(number)


def test_a_fresh_pool_has_no_volumes(pool: Handle) -> None:
    assert pool.numOfVolumes() == 0
    assert pool.listVolumes() == []


def test_a_volume_is_listed(pool: Handle, volume: Handle) -> None:
    assert pool.listVolumes() == [volume.name()]
    assert [one.name() for one in pool.listAllVolumes(0)] == [volume.name()]


def test_a_volume_counts(pool: Handle, volume: Handle) -> None:
    assert pool.numOfVolumes() == 1


def test_a_volume_is_found_by_its_name(pool: Handle, volume: Handle) -> None:
    assert pool.storageVolLookupByName(volume.name()).key() == volume.key()


def test_a_volume_is_found_by_its_key(connection: Handle, volume: Handle) -> None:
    assert connection.storageVolLookupByKey(volume.key()).name() == volume.name()


def test_a_volume_is_found_by_its_path(connection: Handle, volume: Handle) -> None:
    assert connection.storageVolLookupByPath(volume.path()).name() == volume.name()


def test_a_volume_knows_its_pool(pool: Handle, volume: Handle) -> None:
    assert volume.storagePoolLookupByVolume().name() == pool.name()


def test_a_volume_has_the_size_that_was_asked_for(volume: Handle) -> None:
    kind, capacity, _ = volume.info()
    assert kind == libvirt.VIR_STORAGE_VOL_FILE
    assert capacity == MIB


def test_the_place_that_a_volume_takes_is_told(volume: Handle) -> None:
    assert volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2] == MIB


def test_a_volume_is_described(volume: Handle) -> None:
    root = fromstring(volume.XMLDesc(0))
    assert root.findtext("name") == volume.name()
    assert root.findtext("capacity") == str(MIB)


def test_the_name_of_a_volume_is_taken_once(pool: Handle, volume: Handle) -> None:
    with refused(libvirt.VIR_ERR_STORAGE_VOL_EXIST, libvirt.VIR_ERR_OPERATION_FAILED):
        pool.createXML(volume_xml(volume.name()), 0)


def test_a_volume_that_nobody_made_is_not_found(pool: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_STORAGE_VOL):
        pool.storageVolLookupByName("none")


def test_a_key_that_nobody_has_is_not_found(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_STORAGE_VOL):
        connection.storageVolLookupByKey("/virtci/nothing")


def test_a_path_that_nobody_has_is_not_found(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_STORAGE_VOL):
        connection.storageVolLookupByPath("/virtci/nothing")


def test_a_deleted_volume_is_gone(pool: Handle, volume: Handle) -> None:
    volume.delete(0)
    assert pool.listVolumes() == []


@pytest.mark.parametrize("kind", ["raw", "qcow2", "vmdk", "vdi"])
def test_a_format_can_be_chosen(lab: Lab, pool: Handle, kind: str) -> None:
    volume = pool.createXML(volume_xml(lab.name(), kind=kind), 0)
    element = fromstring(volume.XMLDesc(0)).find("target/format")
    assert element is not None
    assert element.get("type") == kind


def test_a_volume_can_be_copied_into_a_new_one(lab: Lab, pool: Handle, volume: Handle) -> None:
    copy = pool.createXMLFrom(volume_xml(lab.name()), volume, 0)
    assert copy.info()[1] == volume.info()[1]


def test_a_volume_can_grow(volume: Handle) -> None:
    volume.resize(2 * MIB, 0)
    assert volume.info()[1] == 2 * MIB


def test_a_volume_does_not_shrink_by_accident(volume: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID):
        volume.resize(MIB // 2, 0)


def test_a_volume_can_shrink_when_asked(lab: Lab, pool: Handle) -> None:
    volume = pool.createXML(volume_xml(lab.name(), mib=1), 0)
    volume.resize(MIB // 2, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK)
    assert volume.info()[1] == MIB // 2


def fill(connection: Handle, volume: Handle, data: bytes) -> None:
    """Upload ``data`` to the start of a volume."""
    stream = connection.newStream(0)
    volume.upload(stream, 0, len(data), 0)
    left = bytearray(data)

    def more(_stream: Handle, count: int, _opaque: object) -> bytes:
        chunk = bytes(left[:count])
        del left[:count]
        return chunk

    stream.sendAll(more, None)
    stream.finish()


def content(connection: Handle, volume: Handle, length: int) -> bytes:
    stream = connection.newStream(0)
    volume.download(stream, 0, length, 0)
    data = bytearray()
    stream.recvAll(lambda _stream, chunk, _opaque: data.extend(chunk), None)
    stream.finish()
    return bytes(data)


def test_what_is_uploaded_comes_down_again(connection: Handle, volume: Handle) -> None:
    data = bytes(range(256)) * 2048
    fill(connection, volume, data)
    assert content(connection, volume, len(data)) == data


def test_a_part_can_be_downloaded(connection: Handle, volume: Handle) -> None:
    fill(connection, volume, b"0123456789")
    assert content(connection, volume, 4) == b"0123"


def test_a_download_can_be_given_up(connection: Handle, volume: Handle) -> None:
    stream = connection.newStream(0)
    volume.download(stream, 0, MIB, 0)
    stream.recv(1024)
    assert stream.abort() == 0


def test_holes_are_told_in_a_sparse_download(connection: Handle, volume: Handle) -> None:
    stream = connection.newStream(0)
    volume.download(stream, 0, MIB, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
    seen: list[int] = []
    stream.sparseRecvAll(
        lambda _stream, chunk, _opaque: seen.append(len(chunk)),
        lambda _stream, length, _opaque: seen.append(length),
        None,
    )
    stream.finish()
    assert sum(seen) == MIB


def test_a_wiped_volume_has_nothing_left(connection: Handle, volume: Handle) -> None:
    fill(connection, volume, b"secret" * 100)
    volume.wipe(0)
    assert content(connection, volume, 600) == bytes(600)


def test_a_volume_can_be_wiped_with_zeros(connection: Handle, volume: Handle) -> None:
    fill(connection, volume, b"secret")
    volume.wipePattern(libvirt.VIR_STORAGE_VOL_WIPE_ALG_ZERO, 0)
    assert content(connection, volume, 6) == bytes(6)


def test_a_volume_on_top_of_another_names_it(lab: Lab, pool: Handle, volume: Handle) -> None:
    xml = volume_xml(lab.name(), kind="qcow2").replace(
        "</volume>",
        f"<backingStore><path>{volume.path()}</path><format type='raw'/></backingStore></volume>",
    )
    top = pool.createXML(xml, 0)
    assert fromstring(top.XMLDesc(0)).findtext("backingStore/path") == volume.path()


def test_a_copy_is_never_smaller_than_its_source(lab: Lab, pool: Handle, volume: Handle) -> None:
    small = volume_xml(lab.name()).replace("<capacity unit='MiB'>1<", "<capacity unit='B'>0<")
    copy = pool.createXMLFrom(small, volume, 0)
    assert copy.info()[1] >= volume.info()[1]


@pytest.mark.parametrize("kind", ["fs", "logical", "disk", "iscsi", "scsi", "mpath", "netfs"])
def test_a_kind_of_pool_can_be_defined(lab: Lab, connection: Handle, kind: str) -> None:
    source = {
        "fs": "<source><device path='/dev/virtci0'/></source>",
        "logical": "<source><name>virtci-tck</name></source>",
        "disk": "<source><device path='/dev/virtci0'/></source>",
        "iscsi": "<source><host name='virtci.invalid'/><device path='iqn.invalid'/></source>",
        "scsi": "<source><adapter type='scsi_host' name='scsi_host99'/></source>",
        "mpath": "",
        "netfs": "<source><host name='virtci.invalid'/><dir path='/x'/></source>",
    }[kind]
    path = lab.scratch.folder / lab.name()
    target = f"<target><path>{path}</path></target>"
    xml = f"<pool type='{kind}'><name>{path.name}</name>{source}{target}</pool>"
    pool = connection.storagePoolDefineXML(xml, 0)
    try:
        assert fromstring(pool.XMLDesc(0)).get("type") == kind
    finally:
        pool.undefine()  # such a pool cannot be started, which the sweep would do
