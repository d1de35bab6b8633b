"""A connection that may only look: every call that would change something is refused."""

from __future__ import annotations

from collections.abc import Callable

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.device_xml import dir_pool_xml, filter_xml, network_xml, secret_xml
from suites.tck.domains import names
from suites.tck.lab import Lab
from suites.tck.verdict import refused


@pytest.fixture
def looking(lab: Lab) -> Handle:
    """A read-only connection beside the one under test."""
    return lab.looking()


@pytest.fixture
def seen(looking: Handle, shared: Handle) -> Handle:
    """A running domain as the read-only connection sees it."""
    try:
        found: Handle = looking.lookupByName(shared.name())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            pytest.skip("this driver keeps the objects of each connection apart")
        raise
    return found


def test_domains_can_be_looked_at(looking: Handle, seen: Handle) -> None:
    assert seen.name() in names(looking)
    assert seen.info()[0] == libvirt.VIR_DOMAIN_RUNNING


def test_the_node_can_be_looked_at(connection: Handle, looking: Handle) -> None:
    assert looking.getInfo()[:3] == connection.getInfo()[:3]


def test_the_description_can_be_looked_at_without_its_secrets(seen: Handle) -> None:
    assert seen.XMLDesc(0)
    with refused(libvirt.VIR_ERR_OPERATION_DENIED):
        seen.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)


DOMAIN_WRITES: dict[str, Callable[[Handle], object]] = {
    "destroy": lambda domain: domain.destroy(),
    "destroyFlags": lambda domain: domain.destroyFlags(0),
    "shutdown": lambda domain: domain.shutdown(),
    "reboot": lambda domain: domain.reboot(0),
    "reset": lambda domain: domain.reset(0),
    "suspend": lambda domain: domain.suspend(),
    "resume": lambda domain: domain.resume(),
    "create": lambda domain: domain.create(),
    "undefine": lambda domain: domain.undefine(),
    "save": lambda domain: domain.save("/virtci/nothing"),
    "managedSave": lambda domain: domain.managedSave(0),
    "managedSaveRemove": lambda domain: domain.managedSaveRemove(0),
    "coreDump": lambda domain: domain.coreDump("/virtci/nothing", 0),
    "setMemory": lambda domain: domain.setMemory(1024),
    "setMaxMemory": lambda domain: domain.setMaxMemory(1024),
    "setVcpus": lambda domain: domain.setVcpus(1),
    "pinVcpu": lambda domain: domain.pinVcpu(0, (True,)),
    "setAutostart": lambda domain: domain.setAutostart(1),
    "rename": lambda domain: domain.rename("virtci-tck-other", 0),
    "attachDevice": lambda domain: domain.attachDevice("<disk/>"),
    "detachDevice": lambda domain: domain.detachDevice("<disk/>"),
    "updateDeviceFlags": lambda domain: domain.updateDeviceFlags("<disk/>", 0),
    "snapshotCreateXML": lambda domain: domain.snapshotCreateXML("<domainsnapshot/>", 0),
    "sendKey": lambda domain: domain.sendKey(0, 0, [30], 1, 0),
    "injectNMI": lambda domain: domain.injectNMI(0),
    "blockResize": lambda domain: domain.blockResize("vda", 1, 0),
    "memoryPeek": lambda domain: domain.memoryPeek(0, 1, libvirt.VIR_MEMORY_PHYSICAL),
    "blockPeek": lambda domain: domain.blockPeek("vda", 0, 1, 0),
    "abortJob": lambda domain: domain.abortJob(),
    "setMetadata": lambda domain: domain.setMetadata(1, "x", None, None, 0),
    "migrateSetMaxSpeed": lambda domain: domain.migrateSetMaxSpeed(1, 0),
}


@pytest.mark.parametrize("call", DOMAIN_WRITES)
def test_a_domain_cannot_be_changed_by(seen: Handle, call: str) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_DENIED):
        DOMAIN_WRITES[call](seen)


CONNECTION_WRITES: dict[str, Callable[[Handle, Lab], object]] = {
    "defineXML": lambda looking, lab: looking.defineXML(str(lab.domain())),
    "createXML": lambda looking, lab: looking.createXML(str(lab.domain()), 0),
    "restore": lambda looking, _: looking.restore("/virtci/nothing"),
    "networkDefineXML": lambda looking, lab: looking.networkDefineXML(network_xml(lab.name())),
    "networkCreateXML": lambda looking, lab: looking.networkCreateXML(network_xml(lab.name())),
    "storagePoolDefineXML": lambda looking, lab: looking.storagePoolDefineXML(
        dir_pool_xml(lab.name(), lab.scratch.folder), 0
    ),
    "storagePoolCreateXML": lambda looking, lab: looking.storagePoolCreateXML(
        dir_pool_xml(lab.name(), lab.scratch.folder), 0
    ),
    "secretDefineXML": lambda looking, lab: looking.secretDefineXML(secret_xml(lab.name()), 0),
    "nwfilterDefineXML": lambda looking, lab: looking.nwfilterDefineXML(filter_xml(lab.name())),
    "interfaceDefineXML": lambda looking, _: looking.interfaceDefineXML("<interface/>", 0),
    "nodeDeviceCreateXML": lambda looking, _: looking.nodeDeviceCreateXML("<device/>", 0),
    "suspendForDuration": lambda looking, _: looking.suspendForDuration(0, 60, 0),
    "setMemoryParameters": lambda looking, _: looking.setMemoryParameters(
        {"shm_pages_to_scan": 100}, 0
    ),
    "allocPages": lambda looking, _: looking.allocPages({2048: 0}, 0, 1, 0),
    "domainXMLToNative": lambda looking, _: looking.domainXMLToNative("xen-xl", "<domain/>", 0),
    "findStoragePoolSources": lambda looking, _: looking.findStoragePoolSources("dir", None, 0),
}


@pytest.mark.parametrize("call", CONNECTION_WRITES)
def test_nothing_can_be_made_or_changed_by(lab: Lab, looking: Handle, call: str) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_DENIED):
        CONNECTION_WRITES[call](looking, lab)
