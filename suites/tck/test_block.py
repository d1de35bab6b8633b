"""Disks of a domain: attached, looked at, measured, limited, resized, copied, taken away."""

from __future__ import annotations

from collections.abc import Iterator

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, LIVE, eventually
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.verdict import Unsupported, is_unsupported, refused

MIB = 1024 * 1024
NO_DISK = (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_FAILED)


CONTENT = bytes(range(256)) * 2  # what the shared disk begins with
ALL_LIMITS = ("total_bytes_sec", "read_bytes_sec", "write_bytes_sec", "total_iops_sec")


def own_bus(lab: Lab) -> str:
    """The name of a disk on the bus that this hypervisor has for certain."""
    return "xvda" if lab.platform.type == "xen" else "vda"


@pytest.fixture
def target(lab: Lab) -> str:
    return own_bus(lab)


@pytest.fixture
def idle_disk(lab: Lab, connection: Handle, target: str) -> Handle:
    """An inactive domain with one disk of 1 MiB."""
    disk = lab.disk_xml(target)
    domain: Handle = connection.defineXML(str(lab.domain().but(devices=(disk,))))
    return domain


@pytest.fixture
def with_disk(idle_disk: Handle) -> Handle:
    """The same, running."""
    idle_disk.create()
    return idle_disk


@pytest.fixture
def its_disk(lab: Lab, target: str) -> Handle:
    """A running domain with one disk of 1 MiB, which all cases share that leave it as it is."""
    return lab.shared("disk-domain", lambda: (lab.disk_xml(target, path=content_disk(lab)),))


def content_disk(lab: Lab) -> str:
    """A disk that begins with CONTENT; where there is no storage driver, any disk."""
    try:
        return lab.scratch.shared_disk(CONTENT)
    except libvirt.libvirtError as error:
        if not is_unsupported(error):
            raise
        return lab.disk_file()[0]


@pytest.fixture
def with_qcow(lab: Lab, connection: Handle, target: str) -> Iterator[Handle]:
    """A running domain with one qcow2 disk, for what is done to chains of images."""

    def make() -> Handle:
        volume = lab.scratch.volume(mib=4, kind="qcow2")
        lab.kept.add(str(volume.name()))
        disk = lab.disk_xml(target, path=volume.path(), kind="qcow2")
        domain: Handle = connection.createXML(str(lab.domain().but(devices=(disk,))), 0)
        return domain

    yield lab.spares.borrow("with qcow", make)
    lab.spares.give_back("with qcow")


def disks(domain: Handle, flags: int = 0) -> list[str]:
    root = fromstring(domain.XMLDesc(flags))
    return [t.get("dev", "") for t in root.findall("devices/disk/target")]


def test_the_size_of_a_disk_is_told(its_disk: Handle, target: str) -> None:
    capacity, allocation, physical = its_disk.blockInfo(target, 0)
    assert capacity == MIB
    assert allocation <= physical <= capacity


def test_the_size_of_a_disk_of_an_inactive_domain_is_told(idle_disk: Handle, target: str) -> None:
    assert idle_disk.blockInfo(target, 0)[0] == MIB


def test_a_disk_that_is_not_there_has_no_size(its_disk: Handle) -> None:
    with refused(*NO_DISK):
        its_disk.blockInfo("vdz", 0)


def test_what_a_disk_did_is_told(its_disk: Handle, target: str) -> None:
    read, read_bytes, written, written_bytes, _ = its_disk.blockStats(target)
    assert min(read, written) >= 0
    assert (read == 0) is (read_bytes == 0), "bytes without requests, or requests without bytes"
    assert (written, written_bytes) == (0, 0), "nobody writes to this disk"


def test_what_a_disk_did_is_told_in_full(its_disk: Handle, target: str) -> None:
    before = its_disk.blockStats(target)[0]
    told = its_disk.blockStatsFlags(target, 0)["rd_operations"]
    assert before <= told <= its_disk.blockStats(target)[0]


def test_what_all_disks_did_is_told_in_sum(its_disk: Handle, target: str) -> None:
    before = its_disk.blockStats(target)[1]
    told = its_disk.blockStatsFlags("", 0)["rd_bytes"]
    assert before <= told <= its_disk.blockStats(target)[1]


def test_a_disk_that_is_not_there_did_nothing(its_disk: Handle) -> None:
    with refused(*NO_DISK):
        its_disk.blockStats("vdz")


def test_disks_of_an_inactive_domain_do_nothing(idle_disk: Handle, target: str) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        idle_disk.blockStats(target)


def test_the_first_bytes_of_a_disk_can_be_read(its_disk: Handle, target: str) -> None:
    assert its_disk.blockPeek(target, 0, 512, 0) == CONTENT


def test_a_disk_is_read_where_it_is_asked_to(its_disk: Handle, target: str) -> None:
    assert its_disk.blockPeek(target, 3, 7, 0) == CONTENT[3:10]


def test_what_is_behind_the_end_of_a_disk_cannot_be_read(its_disk: Handle, target: str) -> None:
    with refused(libvirt.VIR_ERR_SYSTEM_ERROR, *NO_DISK):
        its_disk.blockPeek(target, MIB, 512, 0)


def test_a_disk_that_is_not_there_cannot_be_read(its_disk: Handle) -> None:
    with refused(*NO_DISK):
        its_disk.blockPeek("vdz", 0, 512, 0)


def test_a_file_that_is_no_disk_of_the_domain_cannot_be_read(its_disk: Handle) -> None:
    with refused(*NO_DISK):
        its_disk.blockPeek("/etc/passwd", 0, 16, 0)


def test_a_disk_can_grow_while_it_is_used(with_disk: Handle, target: str) -> None:
    with_disk.blockResize(target, 2 * MIB, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    assert with_disk.blockInfo(target, 0)[0] == 2 * MIB


def test_a_disk_that_is_not_there_does_not_grow(its_disk: Handle) -> None:
    with refused(*NO_DISK):
        its_disk.blockResize("vdz", 2048, 0)


def test_only_disks_of_the_domain_have_errors(its_disk: Handle) -> None:
    assert its_disk.diskErrors(0) == {}, "its disk is sound"


@pytest.mark.parametrize("limit", ["total_bytes_sec", "read_bytes_sec", "total_iops_sec"])
def test_a_disk_can_be_slowed_down(its_disk: Handle, target: str, limit: str) -> None:
    its_disk.setBlockIoTune(target, {limit: 8 * MIB}, LIVE)
    try:
        told = its_disk.blockIoTune(target, LIVE)
        limits = {name: told[name] for name in ALL_LIMITS}
        assert limits == dict.fromkeys(ALL_LIMITS, 0) | {limit: 8 * MIB}
    finally:
        its_disk.setBlockIoTune(target, {limit: 0}, LIVE)


def test_a_slower_disk_can_be_configured(idle_disk: Handle, target: str) -> None:
    idle_disk.setBlockIoTune(target, {"total_bytes_sec": MIB}, CONFIG)
    assert idle_disk.blockIoTune(target, CONFIG)["total_bytes_sec"] == MIB


def test_a_limit_in_all_and_in_part_is_refused(its_disk: Handle, target: str) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        its_disk.setBlockIoTune(target, {"total_bytes_sec": 1, "read_bytes_sec": 1}, LIVE)


def test_the_weight_of_disks_is_told(its_disk: Handle) -> None:
    assert "weight" in its_disk.blkioParameters(0)


def test_the_weight_of_disks_can_be_configured(idle_disk: Handle) -> None:
    idle_disk.setBlkioParameters({"weight": 500}, CONFIG)
    assert idle_disk.blkioParameters(CONFIG)["weight"] == 500


@pytest.mark.parametrize("name", ["vdb", "sdb", "hdb", "xvdb"])
def test_a_disk_can_be_added_to_the_configuration(lab: Lab, defined: Handle, name: str) -> None:
    defined.attachDeviceFlags(lab.disk_xml(name), CONFIG)
    assert name in disks(defined)


@pytest.mark.parametrize("name", ["vdb", "sdb", "hdb", "xvdb"])
def test_a_disk_can_be_attached_while_it_runs(lab: Lab, running: Handle, name: str) -> None:
    running.attachDevice(lab.disk_xml(name))
    assert name in disks(running)
    assert name not in disks(running, libvirt.VIR_DOMAIN_XML_INACTIVE)


@pytest.mark.parametrize("name", ["vdb", "sdb", "hdb", "xvdb"])
def test_a_disk_can_be_taken_out_of_the_configuration(lab: Lab, defined: Handle, name: str) -> None:
    disk = lab.disk_xml(name)
    defined.attachDeviceFlags(disk, CONFIG)
    defined.detachDeviceFlags(disk, CONFIG)
    assert name not in disks(defined)


def test_a_disk_can_be_detached_from_a_guest(lab: Lab, guest: Guest) -> None:
    name = own_bus(lab)
    disk = lab.disk_xml(name)
    guest.domain.attachDeviceFlags(disk, LIVE)
    guest.beat()
    guest.domain.detachDeviceFlags(disk, LIVE)
    eventually("the disk went", lambda: name not in disks(guest.domain), 30 * lab.options.patience)


def test_a_disk_can_be_detached_by_its_alias(lab: Lab, guest: Guest) -> None:
    name = own_bus(lab)
    guest.domain.attachDeviceFlags(lab.disk_xml(name), LIVE)
    guest.beat()
    alias = fromstring(guest.domain.XMLDesc(0)).find("devices/disk/alias")
    if alias is None:  # the driver gives none, so it has to say that it does not have the call
        with refused(libvirt.VIR_ERR_NO_SUPPORT):
            guest.domain.detachDeviceAlias("virtci-none", LIVE)
        raise Unsupported("virDomainDetachDeviceAlias: this driver gives its disks no aliases")
    guest.domain.detachDeviceAlias(alias.get("name"), LIVE)
    eventually("the disk went", lambda: name not in disks(guest.domain), 30 * lab.options.patience)


def test_the_same_disk_is_not_attached_twice(lab: Lab, defined: Handle, target: str) -> None:
    disk = lab.disk_xml(target)
    defined.attachDeviceFlags(disk, CONFIG)
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID):
        defined.attachDeviceFlags(disk, CONFIG)


def test_a_disk_that_is_not_there_is_not_detached(lab: Lab, defined: Handle, target: str) -> None:
    with refused(*NO_DISK, libvirt.VIR_ERR_DEVICE_MISSING):
        defined.detachDeviceFlags(lab.disk_xml(target), CONFIG)


def test_a_disk_without_its_file_is_not_attached(lab: Lab, running: Handle, target: str) -> None:
    disk = lab.disk_xml(target, path="/virtci/nothing")
    with refused(
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    ):
        running.attachDevice(disk)
    assert target not in disks(running)


def test_an_alias_that_nobody_has_is_not_detached(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_DEVICE_MISSING, *NO_DISK):
        shared.detachDeviceAlias("virtio-disk99", LIVE)


def test_a_medium_can_be_put_in_and_out(lab: Lab, connection: Handle) -> None:
    path, _ = lab.disk_file()
    drive = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>"
    full = drive.replace("<target", f"<source file='{path}'/><target")
    # paused, or the firmware that looks for something to boot closes the tray in between
    paused = libvirt.VIR_DOMAIN_START_PAUSED
    domain = connection.createXML(str(lab.domain().but(devices=(drive,))), paused)
    domain.updateDeviceFlags(full, LIVE)
    assert path in domain.XMLDesc(0)
    domain.updateDeviceFlags(drive, LIVE | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)
    assert path not in domain.XMLDesc(0)


def test_a_configured_disk_can_be_changed(lab: Lab, defined: Handle, target: str) -> None:
    defined.attachDeviceFlags(lab.disk_xml(target), CONFIG)
    path, _ = lab.disk_file()
    defined.updateDeviceFlags(lab.disk_xml(target, path=path), CONFIG)
    assert path in defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_a_disk_without_a_job_tells_none(its_disk: Handle, target: str) -> None:
    assert not its_disk.blockJobInfo(target, 0)


def test_a_job_that_is_not_there_cannot_be_ended(its_disk: Handle, target: str) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INVALID_ARG):
        its_disk.blockJobAbort(target, 0)


def test_a_job_that_is_not_there_has_no_speed(its_disk: Handle, target: str) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INVALID_ARG):
        its_disk.blockJobSetSpeed(target, 1, 0)


def no_job(domain: Handle, target: str) -> None:
    eventually("the job ended", lambda: not domain.blockJobInfo(target, 0))


def snapshot(lab: Lab, domain: Handle, target: str) -> str:
    """Put a new image on top; gives its path."""
    top = lab.scratch.file()
    xml = (
        f"<domainsnapshot><disks><disk name='{target}' snapshot='external'>"
        f"<source file='{top}'/></disk></disks></domainsnapshot>"
    )
    flags = (
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    )
    domain.snapshotCreateXML(xml, flags)
    return top


def test_the_image_below_can_be_pulled_up(lab: Lab, with_qcow: Handle, target: str) -> None:
    top = snapshot(lab, with_qcow, target)
    with_qcow.blockPull(target, 0, 0)
    no_job(with_qcow, target)
    assert top in with_qcow.XMLDesc(0)


def test_an_image_can_be_rebased(lab: Lab, with_qcow: Handle, target: str) -> None:
    snapshot(lab, with_qcow, target)
    assert with_qcow.blockRebase(target, None, 0, 0) == 0
    no_job(with_qcow, target)


def test_the_top_image_can_be_committed_down(lab: Lab, with_qcow: Handle, target: str) -> None:
    top = snapshot(lab, with_qcow, target)
    with_qcow.blockCommit(target, None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    eventually("the copy caught up", lambda: caught_up(with_qcow, target))
    with_qcow.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    assert top not in with_qcow.XMLDesc(0)


def caught_up(domain: Handle, target: str) -> bool:
    """Also by libvirt's own word: QEMU's event of it may come behind the last byte."""
    job = domain.blockJobInfo(target, 0)
    done = bool(job) and job["cur"] == job["end"] > 0
    return done and "ready='yes'" in domain.XMLDesc(0)


def test_a_disk_can_be_copied_and_switched_to(lab: Lab, with_qcow: Handle, target: str) -> None:
    path = lab.scratch.file()
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{path}'/></disk>"
    with_qcow.blockCopy(target, xml, None, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
    eventually("the copy caught up", lambda: caught_up(with_qcow, target))
    with_qcow.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    assert path in with_qcow.XMLDesc(0)


def test_a_copy_can_be_given_up(lab: Lab, with_qcow: Handle, target: str) -> None:
    path = lab.scratch.file()
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{path}'/></disk>"
    with_qcow.blockCopy(target, xml, None, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
    with_qcow.blockJobAbort(target, 0)
    assert f"<source file='{path}'" not in with_qcow.XMLDesc(0)


def test_a_job_can_be_slowed_down(lab: Lab, with_qcow: Handle, target: str) -> None:
    path = lab.scratch.file()
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{path}'/></disk>"
    with_qcow.blockCopy(target, xml, None, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
    assert with_qcow.blockJobSetSpeed(target, 1, 0) == 0
    with_qcow.blockJobAbort(target, 0)


def test_a_mark_on_a_disk_can_be_watched(with_qcow: Handle, target: str) -> None:
    assert with_qcow.setBlockThreshold(target, MIB, 0) == 0
