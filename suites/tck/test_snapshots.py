"""Snapshots: a moment of a domain that one can go back to, and the tree that they make."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, PAUSED, RUNNING, SHUTOFF, state
from suites.tck.lab import Lab
from suites.tck.verdict import refused


def snapshot(domain: Handle, name: str = "", flags: int = 0) -> Handle:
    named = f"<name>{name}</name>" if name else ""
    made: Handle = domain.snapshotCreateXML(
        f"<domainsnapshot>{named}<description>of the tck</description></domainsnapshot>", flags
    )
    return made


@pytest.fixture
def domain(lab: Lab, connection: Handle) -> Iterator[Handle]:
    """A running domain whose disk can keep snapshots, without any."""
    lent = lab.spares.borrow("snapshots", lambda: with_snapshot_disk(lab, connection))
    yield lent
    forget_snapshots(lent)
    lab.spares.give_back("snapshots", any_run=True)


def forget_snapshots(domain: Handle) -> None:
    """Delete them as far as that goes, so that the next case can have the domain."""
    with contextlib.suppress(libvirt.libvirtError):
        for root in domain.listAllSnapshots(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_ROOTS):
            root.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
    with contextlib.suppress(libvirt.libvirtError):
        for first in domain.listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_ROOTS):
            first.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN)


def with_snapshot_disk(lab: Lab, connection: Handle) -> Handle:
    made: Handle = connection.defineXML(str(lab.domain()))
    if lab.platform.type != "test":
        volume = lab.scratch.volume(mib=4, kind="qcow2")
        lab.kept.add(str(volume.name()))
        path = volume.path()
        name = "xvda" if lab.platform.type == "xen" else "vda"
        made.attachDeviceFlags(lab.disk_xml(name, path=path, kind="qcow2"), CONFIG)
    made.create()
    return made


def test_a_fresh_domain_has_none(domain: Handle) -> None:
    assert domain.snapshotNum(0) == 0
    assert domain.hasCurrentSnapshot(0) == 0


def test_a_snapshot_is_found_by_its_name(domain: Handle) -> None:
    snapshot(domain, "first")
    assert domain.snapshotLookupByName("first", 0).getName() == "first"


def test_a_snapshot_is_named_when_nobody_does(domain: Handle) -> None:
    assert snapshot(domain).getName()


def test_a_snapshot_knows_its_domain(domain: Handle) -> None:
    assert snapshot(domain).getDomain().name() == domain.name()


def test_a_snapshot_counts(domain: Handle) -> None:
    snapshot(domain, "first")
    assert domain.snapshotNum(0) == 1
    assert domain.snapshotListNames(0) == ["first"]


def test_the_last_snapshot_is_the_current_one(domain: Handle) -> None:
    snapshot(domain, "first")
    second = snapshot(domain, "second")
    assert domain.snapshotCurrent(0).getName() == "second"
    assert second.isCurrent(0) == 1
    assert domain.hasCurrentSnapshot(0) == 1


def test_a_snapshot_has_metadata(domain: Handle) -> None:
    assert snapshot(domain).hasMetadata(0) == 1


def test_a_snapshot_describes_its_domain(domain: Handle) -> None:
    root = fromstring(snapshot(domain, "first").getXMLDesc(0))
    assert root.findtext("name") == "first"
    assert root.findtext("domain/name") == domain.name()


def test_a_snapshot_keeps_its_description(domain: Handle) -> None:
    assert fromstring(snapshot(domain).getXMLDesc(0)).findtext("description") == "of the tck"


def test_a_snapshot_remembers_the_state(domain: Handle) -> None:
    assert fromstring(snapshot(domain).getXMLDesc(0)).findtext("state") == "running"


def test_a_snapshot_of_an_inactive_domain_remembers_that(domain: Handle) -> None:
    domain.destroy()
    assert fromstring(snapshot(domain).getXMLDesc(0)).findtext("state") == "shutoff"


def test_the_second_snapshot_is_a_child_of_the_first(domain: Handle) -> None:
    first = snapshot(domain, "first")
    second = snapshot(domain, "second")
    assert second.getParent(0).getName() == "first"
    assert first.listChildrenNames(0) == ["second"]
    assert first.numChildren(0) == 1
    assert [child.getName() for child in first.listAllChildren(0)] == ["second"]


def test_the_first_snapshot_has_no_parent(domain: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT):
        snapshot(domain).getParent(0)


def test_roots_and_leaves_are_told_apart(domain: Handle) -> None:
    snapshot(domain, "first")
    snapshot(domain, "second")
    roots = domain.listAllSnapshots(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_ROOTS)
    leaves = domain.listAllSnapshots(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_LEAVES)
    assert [one.getName() for one in roots] == ["first"]
    assert [one.getName() for one in leaves] == ["second"]


def test_going_back_to_a_running_moment_runs(domain: Handle) -> None:
    moment = snapshot(domain)
    domain.destroy()
    domain.revertToSnapshot(moment, 0)
    assert state(domain) == RUNNING


def test_going_back_to_an_inactive_moment_ends_the_run(domain: Handle) -> None:
    domain.destroy()
    moment = snapshot(domain)
    domain.create()
    domain.revertToSnapshot(moment, 0)
    assert state(domain) == SHUTOFF


def test_going_back_may_leave_it_paused(domain: Handle) -> None:
    moment = snapshot(domain)
    domain.revertToSnapshot(moment, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
    assert state(domain) == PAUSED


def test_going_back_makes_a_moment_the_current_one(domain: Handle) -> None:
    first = snapshot(domain, "first")
    snapshot(domain, "second")
    domain.revertToSnapshot(first, 0)
    assert domain.snapshotCurrent(0).getName() == "first"


def test_a_snapshot_can_be_deleted(domain: Handle) -> None:
    snapshot(domain, "first").delete(0)
    assert domain.snapshotListNames(0) == []


def test_a_deleted_snapshot_leaves_its_children(domain: Handle) -> None:
    first = snapshot(domain, "first")
    snapshot(domain, "second")
    first.delete(0)
    assert domain.snapshotListNames(0) == ["second"]


def test_a_snapshot_can_be_deleted_with_its_children(domain: Handle) -> None:
    first = snapshot(domain, "first")
    snapshot(domain, "second")
    first.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
    assert domain.snapshotNum(0) == 0


def test_the_children_of_a_snapshot_can_be_deleted_alone(domain: Handle) -> None:
    first = snapshot(domain, "first")
    snapshot(domain, "second")
    first.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY)
    assert domain.snapshotListNames(0) == ["first"]


def test_the_name_of_a_snapshot_is_taken_once(domain: Handle) -> None:
    snapshot(domain, "first")
    with refused(
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_INTERNAL_ERROR,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    ):
        snapshot(domain, "first")


def test_a_snapshot_that_nobody_made_is_not_found(domain: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT):
        domain.snapshotLookupByName("none", 0)


def test_a_domain_without_snapshots_has_no_current_one(domain: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT):
        domain.snapshotCurrent(0)


def test_what_is_no_snapshot_is_refused(domain: Handle) -> None:
    with refused(libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL):
        domain.snapshotCreateXML("<domain/>", 0)


def test_a_snapshot_of_the_disks_alone_puts_a_new_image_on_top(domain: Handle) -> None:
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    taken = snapshot(domain, "disks", flags)
    assert fromstring(taken.getXMLDesc(0)).findtext("state") == "disk-snapshot"


def test_a_domain_with_snapshots_is_not_undefined_by_accident(domain: Handle) -> None:
    snapshot(domain)
    domain.destroy()
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        domain.undefine()


def test_a_snapshot_can_be_described_anew(domain: Handle) -> None:
    xml = snapshot(domain, "first").getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)
    changed = xml.replace("of the tck", "of another one")
    again = domain.snapshotCreateXML(changed, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
    assert "of another one" in again.getXMLDesc(0)


def checkpoint(domain: Handle, name: str) -> Handle:
    xml = f"<domaincheckpoint><name>{name}</name></domaincheckpoint>"
    made: Handle = domain.checkpointCreateXML(xml, 0)
    return made


def test_a_checkpoint_is_found_by_its_name(domain: Handle) -> None:
    checkpoint(domain, "first")
    assert domain.checkpointLookupByName("first", 0).getName() == "first"


def test_a_checkpoint_describes_its_domain(domain: Handle) -> None:
    root = fromstring(checkpoint(domain, "first").getXMLDesc(0))
    assert root.findtext("domain/name") == domain.name()


def test_a_checkpoint_knows_its_domain(domain: Handle) -> None:
    assert checkpoint(domain, "first").getDomain().name() == domain.name()


def test_the_second_checkpoint_is_a_child_of_the_first(domain: Handle) -> None:
    first = checkpoint(domain, "first")
    second = checkpoint(domain, "second")
    assert second.getParent(0).getName() == "first"
    assert [child.getName() for child in first.listAllChildren(0)] == ["second"]


def test_all_checkpoints_are_listed(domain: Handle) -> None:
    checkpoint(domain, "first")
    checkpoint(domain, "second")
    assert {one.getName() for one in domain.listAllCheckpoints(0)} == {"first", "second"}


def test_a_checkpoint_can_be_deleted(domain: Handle) -> None:
    checkpoint(domain, "first").delete(0)
    assert domain.listAllCheckpoints(0) == []


def test_a_checkpoint_that_nobody_made_is_not_found(domain: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT):
        domain.checkpointLookupByName("none", 0)


def test_an_inactive_domain_has_no_new_checkpoints(domain: Handle) -> None:
    domain.destroy()
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        checkpoint(domain, "first")


def test_disks_can_be_backed_up(domain: Handle, lab: Lab) -> None:
    disk = fromstring(domain.XMLDesc(0)).find("devices/disk/target")
    name = "vda" if disk is None else disk.get("dev")
    xml = (
        f"<domainbackup><disks><disk name='{name}' type='file'>"
        f"<target file='{lab.scratch.file()}'/></disk></disks></domainbackup>"
    )
    assert domain.backupBegin(xml, None, 0) == 0


def test_a_backup_that_does_not_run_has_no_description(domain: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN_BACKUP):
        domain.backupGetXMLDesc(0)
