"""Devices of the node: listed, described; taken from the host and given back."""

from __future__ import annotations

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.domains import eventually
from suites.tck.lab import Lab
from suites.tck.verdict import refused

NOT_TAKEN = (
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_SYSTEM_ERROR,
)
DEVICE = "<device><name>virtci</name><parent>{parent}</parent>{capability}</device>"


@pytest.fixture
def device(connection: Handle) -> Handle:
    """Some device of the node."""
    names = connection.listDevices(None, 0)
    if not names:
        pytest.skip("libvirt sees no device on this node")
    found: Handle = connection.nodeDeviceLookupByName(names[0])
    return found


@pytest.fixture
def plain(connection: Handle) -> Handle:
    """A device that is no PCI device and so cannot be given to a guest."""
    found: Handle = connection.nodeDeviceLookupByName("computer")
    return found


@pytest.fixture
def pci(lab: Lab, connection: Handle) -> Handle:
    """A PCI device that may be taken from the host."""
    if not lab.options.destructive:
        pytest.skip("devices of the node are only taken with --destructive")
    names = connection.listDevices("pci", 0)
    if not names:
        pytest.skip("this node has no PCI devices")
    found: Handle = connection.nodeDeviceLookupByName(names[-1])
    return found


def test_devices_are_counted(connection: Handle) -> None:
    # devices of a living host come and go
    eventually("count and list agree", lambda: _counted(connection))


def _counted(connection: Handle) -> bool:
    return bool(connection.numOfDevices(None, 0) == len(connection.listDevices(None, 0)))


def is_there(connection: Handle, name: str) -> bool:
    """Whether a device that is listed can be described; one that left its namespace cannot."""
    try:
        return bool(connection.nodeDeviceLookupByName(name).XMLDesc(0))
    except libvirt.libvirtError:
        return False


def test_all_devices_are_listed(connection: Handle) -> None:
    def agree() -> bool:
        """Devices of guests come and go in the meantime."""
        before = set(connection.listDevices(None, 0))
        names = {one.name() for one in connection.listAllDevices(0)}
        missing = (before & set(connection.listDevices(None, 0))) - names
        return not any(is_there(connection, name) for name in missing)

    eventually("both ways list the same devices", agree)


def test_the_computer_itself_is_a_device(connection: Handle) -> None:
    assert connection.nodeDeviceLookupByName("computer").name() == "computer"


def test_devices_can_be_listed_by_what_they_can_do(connection: Handle) -> None:
    names = connection.listDevices("system", 0)
    assert connection.numOfDevices("system", 0) == len(names)


def test_a_device_is_described(device: Handle) -> None:
    assert fromstring(device.XMLDesc(0)).findtext("name") == device.name()


def test_a_device_can_do_something(device: Handle) -> None:
    assert device.numOfCaps() == len(device.listCaps())


def test_the_parent_of_a_device_is_a_device(connection: Handle, device: Handle) -> None:
    parent = device.parent()
    if parent is None:
        pytest.skip("this device has no parent")
    assert connection.nodeDeviceLookupByName(parent).name() == parent


def test_a_device_that_is_not_there_is_not_found(lab: Lab, connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_NODE_DEVICE):
        connection.nodeDeviceLookupByName(lab.name())


def test_an_adapter_that_is_not_there_is_not_found(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_NODE_DEVICE):
        connection.nodeDeviceLookupSCSIHostByWWN("2000000000000000", "2000000000000001", 0)


def test_a_device_that_no_parent_can_make_is_not_created(connection: Handle) -> None:
    capability = "<capability type='scsi_host'><capability type='fc_host'/></capability>"
    with refused(libvirt.VIR_ERR_NO_NODE_DEVICE, libvirt.VIR_ERR_XML_ERROR, *NOT_TAKEN):
        xml = DEVICE.format(parent="virtci-none", capability=capability)
        connection.nodeDeviceCreateXML(xml, 0)


def test_a_mediated_device_needs_a_parent(connection: Handle) -> None:
    capability = "<capability type='mdev'><type id='virtci'/></capability>"
    with refused(libvirt.VIR_ERR_NO_NODE_DEVICE, libvirt.VIR_ERR_XML_ERROR, *NOT_TAKEN):
        xml = DEVICE.format(parent="virtci-none", capability=capability)
        connection.nodeDeviceDefineXML(xml, 0)


def test_a_device_that_was_found_is_active(plain: Handle) -> None:
    assert plain.isActive() == 1


def test_a_device_that_was_found_is_there_for_good(plain: Handle) -> None:
    assert plain.isPersistent() == 1


def test_a_device_that_was_found_cannot_start_by_itself(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.setAutostart(1)


def test_whether_a_device_starts_by_itself_is_told(plain: Handle) -> None:
    assert plain.autostart() == 1, "a device of the host is there as soon as the host is"


def test_a_device_that_was_found_cannot_be_undefined(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.undefine(0)


def test_a_device_that_was_found_cannot_be_created(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.create(0)


def test_a_device_that_was_found_cannot_be_destroyed(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.destroy()


def test_what_is_no_pci_device_cannot_be_detached_from_the_host(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.dettach()


def test_what_is_no_pci_device_cannot_be_detached_with_flags(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.detachFlags(None, 0)


def test_what_is_no_pci_device_cannot_be_given_back(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.reAttach()


def test_what_is_no_pci_device_cannot_be_reset(plain: Handle) -> None:
    with refused(*NOT_TAKEN):
        plain.reset()


def test_a_pci_device_can_be_detached_and_given_back(pci: Handle) -> None:
    pci.dettach()
    assert pci.reAttach() == 0


def test_a_pci_device_can_be_reset(pci: Handle) -> None:
    assert pci.reset() == 0


def test_one_can_listen_to_devices(connection: Handle) -> None:
    for kind in (
        libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
        libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE,
    ):
        number = connection.nodeDeviceEventRegisterAny(None, kind, lambda *_: None, None)
        connection.nodeDeviceEventDeregisterAny(number)
