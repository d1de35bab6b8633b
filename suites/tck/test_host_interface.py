"""Network interfaces of the host, as far as libvirt manages them."""

from __future__ import annotations

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.domains import eventually
from suites.tck.lab import Lab
from suites.tck.verdict import refused

# what is begun is begun for the whole daemon, and counting needs peace
pytestmark = pytest.mark.alone("host_interface")


@pytest.fixture
def active(connection: Handle) -> Handle:
    """Some interface of the host that is up."""
    names = connection.listInterfaces()
    if not names:
        pytest.skip("libvirt sees no active interface on this host")
    found: Handle = connection.interfaceLookupByName(names[0])
    return found


@pytest.fixture
def defined(lab: Lab, connection: Handle) -> Handle:
    """An interface of ours, which is not up."""
    xml = (
        f"<interface type='ethernet' name='{lab.name()}'><start mode='none'/>"
        "<mac address='52:54:00:7c:1d:01'/></interface>"
    )
    made: Handle = connection.interfaceDefineXML(xml, 0)
    return made


def test_active_interfaces_are_counted(connection: Handle) -> None:
    eventually(
        "count and list agree",  # those of guests come and go in the meantime
        lambda: connection.numOfInterfaces() == len(connection.listInterfaces()),
    )


def test_inactive_interfaces_are_counted(connection: Handle) -> None:
    assert connection.numOfDefinedInterfaces() == len(connection.listDefinedInterfaces())


def test_all_interfaces_are_the_active_and_the_inactive_ones(connection: Handle) -> None:
    def agree() -> bool:
        everything = {one.name() for one in connection.listAllInterfaces(0)}
        return everything >= {*connection.listInterfaces(), *connection.listDefinedInterfaces()}

    eventually("all of them are the active and the inactive ones", agree)


def test_an_active_interface_says_so(active: Handle) -> None:
    assert active.isActive() == 1


def test_an_interface_is_described(active: Handle) -> None:
    assert fromstring(active.XMLDesc(0)).get("name") == active.name()


def test_an_interface_is_found_by_its_address(connection: Handle) -> None:
    macs = [one.MACString() for one in connection.listAllInterfaces(0)]
    alone = [mac for mac in macs if mac and macs.count(mac) == 1]
    if not alone:
        pytest.skip("no interface of this host has an address of its own")
    assert connection.interfaceLookupByMACString(alone[0]).MACString() == alone[0]


def test_an_interface_that_is_not_there_is_not_found(lab: Lab, connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_INTERFACE):
        connection.interfaceLookupByName(lab.name())


def test_an_address_that_nobody_has_is_not_found(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_INTERFACE):
        connection.interfaceLookupByMACString("52:54:00:7c:1d:ff")


def test_a_defined_interface_is_inactive(connection: Handle, defined: Handle) -> None:
    assert defined.isActive() == 0
    assert defined.name() in connection.listDefinedInterfaces()


def test_a_defined_interface_can_be_brought_up_and_down(defined: Handle) -> None:
    defined.create(0)
    assert defined.isActive() == 1
    defined.destroy(0)
    assert defined.isActive() == 0


def test_an_interface_cannot_be_brought_up_twice(defined: Handle) -> None:
    defined.create(0)
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.create(0)


def test_an_inactive_interface_cannot_be_brought_down(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.destroy(0)


def test_an_undefined_interface_is_not_found(connection: Handle, defined: Handle) -> None:
    name = defined.name()
    defined.undefine()
    with refused(libvirt.VIR_ERR_NO_INTERFACE):
        connection.interfaceLookupByName(name)


def test_a_change_that_was_committed_stays(connection: Handle, lab: Lab) -> None:
    connection.changeBegin(0)
    name = lab.name()
    connection.interfaceDefineXML(f"<interface type='ethernet' name='{name}'/>", 0)
    connection.changeCommit(0)
    assert name in connection.listDefinedInterfaces()


def test_a_change_can_be_rolled_back(connection: Handle, lab: Lab) -> None:
    connection.changeBegin(0)
    name = lab.name()
    connection.interfaceDefineXML(f"<interface type='ethernet' name='{name}'/>", 0)
    connection.changeRollback(0)
    assert name not in connection.listDefinedInterfaces()


def test_a_change_is_not_begun_twice(connection: Handle) -> None:
    connection.changeBegin(0)
    try:
        with refused(libvirt.VIR_ERR_OPERATION_INVALID):
            connection.changeBegin(0)
    finally:
        connection.changeRollback(0)


def test_what_was_not_begun_is_not_committed(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        connection.changeCommit(0)


def test_what_was_not_begun_is_not_rolled_back(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        connection.changeRollback(0)


def test_what_is_no_interface_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL):
        connection.interfaceDefineXML("<domain/>", 0)
