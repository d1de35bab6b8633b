"""Virtual networks: defined, started, changed while they run, listened to; leases and ports."""

from __future__ import annotations

import uuid

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.device_xml import network_xml
from suites.tck.event_log import EventLog
from suites.tck.lab import Lab
from suites.tck.verdict import refused

CONFIG = libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
LIVE = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE
PORT = (
    "<networkport><uuid>{uuid}</uuid><owner><name>virtci-tck-port</name><uuid>{owner}</uuid></owner>"
    "<mac address='52:54:00:7c:1b:02'/></networkport>"
)


@pytest.fixture
def defined(lab: Lab, connection: Handle) -> Handle:
    """A persistent network that is not active."""
    made: Handle = connection.networkDefineXML(network_xml(lab.name(), octet=lab.names.octet))
    return made


@pytest.fixture
def address(lab: Lab) -> str:
    """An address of the network."""
    return f"10.123.{lab.names.octet}.50"


@pytest.fixture
def host(address: str) -> str:
    """A host that is always to get that address."""
    return f"<host mac='52:54:00:7c:1b:01' name='one' ip='{address}'/>"


@pytest.fixture
def active(defined: Handle) -> Handle:
    defined.create()
    return defined


def test_a_defined_network_is_persistent_and_inactive(defined: Handle) -> None:
    assert (defined.isPersistent(), defined.isActive()) == (1, 0)


def test_a_network_is_found_by_its_name(connection: Handle, defined: Handle) -> None:
    assert connection.networkLookupByName(defined.name()).UUIDString() == defined.UUIDString()


def test_a_network_is_found_by_its_uuid(connection: Handle, defined: Handle) -> None:
    assert connection.networkLookupByUUIDString(defined.UUIDString()).name() == defined.name()


def test_a_network_is_found_by_its_raw_uuid(connection: Handle, defined: Handle) -> None:
    assert connection.networkLookupByUUID(defined.UUID()).name() == defined.name()


def test_a_defined_network_is_listed_as_such(connection: Handle, defined: Handle) -> None:
    assert defined.name() in connection.listDefinedNetworks()
    assert defined.name() not in connection.listNetworks()


@pytest.mark.alone
def test_a_defined_network_counts(lab: Lab, connection: Handle) -> None:
    before = connection.numOfDefinedNetworks()
    connection.networkDefineXML(network_xml(lab.name()))
    assert connection.numOfDefinedNetworks() == before + 1


def test_a_started_network_is_active(active: Handle) -> None:
    assert active.isActive() == 1


def test_an_active_network_is_listed_as_such(connection: Handle, active: Handle) -> None:
    assert active.name() in connection.listNetworks()
    flags = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
    assert active.name() in [network.name() for network in connection.listAllNetworks(flags)]


@pytest.mark.alone
def test_an_active_network_counts(connection: Handle, defined: Handle) -> None:
    before = connection.numOfNetworks()
    defined.create()
    assert connection.numOfNetworks() == before + 1


def test_an_active_network_has_a_bridge(active: Handle) -> None:
    assert active.bridgeName()


def test_a_bridge_that_was_named_is_used(lab: Lab, connection: Handle) -> None:
    network = connection.networkDefineXML(network_xml(lab.name(), bridge="virtcitck0"))
    assert network.bridgeName() == "virtcitck0"


def test_a_network_cannot_be_started_twice(active: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        active.create()


def test_a_stopped_network_keeps_its_configuration(connection: Handle, active: Handle) -> None:
    active.destroy()
    assert active.name() in connection.listDefinedNetworks()


def test_an_inactive_network_cannot_be_stopped(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.destroy()


def test_an_undefined_network_is_not_found(connection: Handle, defined: Handle) -> None:
    name = defined.name()
    defined.undefine()
    with refused(libvirt.VIR_ERR_NO_NETWORK):
        connection.networkLookupByName(name)


def test_an_active_network_becomes_transient_when_undefined(active: Handle) -> None:
    active.undefine()
    assert (active.isPersistent(), active.isActive()) == (0, 1)


def test_a_transient_network_vanishes_when_stopped(lab: Lab, connection: Handle) -> None:
    network = connection.networkCreateXML(network_xml(lab.name()))
    name = network.name()
    assert network.isPersistent() == 0
    network.destroy()
    with refused(libvirt.VIR_ERR_NO_NETWORK):
        connection.networkLookupByName(name)


def test_a_network_can_start_by_itself(defined: Handle) -> None:
    assert defined.autostart() == 0
    defined.setAutostart(1)
    assert defined.autostart() == 1


def test_a_transient_network_cannot_start_by_itself(lab: Lab, connection: Handle) -> None:
    network = connection.networkCreateXML(network_xml(lab.name()))
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        network.setAutostart(1)


def test_a_description_survives_the_round_trip(connection: Handle, defined: Handle) -> None:
    first = defined.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
    connection.networkDefineXML(first)
    assert defined.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE) == first


def test_addresses_are_kept(lab: Lab, defined: Handle) -> None:
    ip = fromstring(defined.XMLDesc(0)).find("ip")
    assert ip is not None
    assert ip.get("address") == f"10.123.{lab.names.octet}.1"


def test_what_is_no_network_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL):
        connection.networkDefineXML("<domain/>")


def test_a_network_without_a_name_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_NAME, libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL):
        connection.networkDefineXML("<network/>")


def test_two_networks_cannot_have_one_name(connection: Handle, defined: Handle) -> None:
    twin = network_xml(defined.name()).replace("</name>", f"</name><uuid>{uuid.uuid4()}</uuid>")
    with refused(libvirt.VIR_ERR_OPERATION_FAILED):
        connection.networkDefineXML(twin)


def test_the_schema_is_checked_when_asked_for(lab: Lab, connection: Handle) -> None:
    odd = network_xml(lab.name()).replace("</network>", "<virtci/></network>")
    with refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA):
        connection.networkDefineXMLFlags(odd, libvirt.VIR_NETWORK_DEFINE_VALIDATE)


def test_the_schema_is_checked_for_transient_networks_too(lab: Lab, connection: Handle) -> None:
    odd = network_xml(lab.name()).replace("</network>", "<virtci/></network>")
    with refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA):
        connection.networkCreateXMLFlags(odd, libvirt.VIR_NETWORK_CREATE_VALIDATE)


def test_a_valid_network_passes_the_check(lab: Lab, connection: Handle) -> None:
    flags = libvirt.VIR_NETWORK_DEFINE_VALIDATE
    assert connection.networkDefineXMLFlags(network_xml(lab.name()), flags).isPersistent() == 1


def test_a_valid_transient_network_passes_the_check(lab: Lab, connection: Handle) -> None:
    flags = libvirt.VIR_NETWORK_CREATE_VALIDATE
    assert connection.networkCreateXMLFlags(network_xml(lab.name()), flags).isActive() == 1


def test_a_network_that_nobody_has_is_not_found(lab: Lab, connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_NETWORK):
        connection.networkLookupByName(lab.name())


@pytest.mark.parametrize("flags", [CONFIG, LIVE, CONFIG | LIVE], ids=["config", "live", "both"])
def test_a_host_can_be_given_an_address(
    active: Handle, host: str, address: str, flags: int
) -> None:
    active.update(
        libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST,
        libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, -1, host, flags,
    )  # fmt: skip
    inactive = libvirt.VIR_NETWORK_XML_INACTIVE
    assert (address in active.XMLDesc(inactive)) == bool(flags & CONFIG)
    assert (address in active.XMLDesc(0)) == bool(flags & LIVE)


def test_an_address_can_be_taken_from_a_host(active: Handle, host: str, address: str) -> None:
    section = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
    active.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, section, -1, host, LIVE)
    active.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, section, -1, host, LIVE)
    assert address not in active.XMLDesc(0)


def test_a_name_can_be_published(active: Handle, address: str) -> None:
    xml = f"<host ip='{address}'><hostname>virtci-name</hostname></host>"
    section = libvirt.VIR_NETWORK_SECTION_DNS_HOST
    active.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, section, -1, xml, LIVE)
    assert "virtci-name" in active.XMLDesc(0)


def test_a_host_that_has_no_address_cannot_lose_it(active: Handle, host: str) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_FAILED):
        active.update(
            libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE,
            libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, -1, host, LIVE,
        )  # fmt: skip


def test_a_fresh_network_has_no_leases(active: Handle) -> None:
    assert active.DHCPLeases() == []


def test_the_leases_of_one_card_can_be_asked_for(active: Handle) -> None:
    assert active.DHCPLeases("52:54:00:7c:1b:09") == []


def test_a_fresh_network_has_no_ports(active: Handle) -> None:
    assert active.listAllPorts(0) == []


@pytest.fixture
def port(active: Handle) -> Handle:
    """A port of an active network."""
    made: Handle = active.portCreateXML(PORT.format(owner=uuid.uuid4(), uuid=uuid.uuid4()), 0)
    return made


def test_a_port_is_found_by_its_uuid(active: Handle, port: Handle) -> None:
    assert active.portLookupByUUIDString(port.UUIDString()).UUID() == port.UUID()
    assert active.portLookupByUUID(port.UUID()).UUIDString() == port.UUIDString()


def test_a_port_is_listed(active: Handle, port: Handle) -> None:
    assert [one.UUIDString() for one in active.listAllPorts(0)] == [port.UUIDString()]


def test_a_port_knows_its_owner(port: Handle) -> None:
    assert fromstring(port.XMLDesc(0)).findtext("owner/name") == "virtci-tck-port"


def test_a_port_knows_its_network(active: Handle, port: Handle) -> None:
    assert port.network().name() == active.name()


def test_a_port_can_be_slowed_down(active: Handle) -> None:
    slow = "<bandwidth><inbound average='500' peak='500' burst='500'/></bandwidth></networkport>"
    xml = PORT.format(owner=uuid.uuid4(), uuid=uuid.uuid4()).replace("</networkport>", slow)
    port = active.portCreateXML(xml, 0)
    port.setParameters({"inbound.average": 1000}, 0)
    assert port.parameters(0)["inbound.average"] == 1000


def test_a_deleted_port_is_not_found(active: Handle, port: Handle) -> None:
    number = port.UUIDString()
    port.delete(0)
    with refused(libvirt.VIR_ERR_NO_NETWORK_PORT):
        active.portLookupByUUIDString(number)


def test_the_life_of_a_network_is_told(connection: Handle, defined: Handle) -> None:
    log = EventLog()
    number = connection.networkEventRegisterAny(
        defined,
        libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
        lambda _connection, _network, event, detail, _opaque: log.add(event, detail),
        None,
    )
    try:
        defined.create()
        log.expect(libvirt.VIR_NETWORK_EVENT_STARTED)
        defined.destroy()
        log.expect(libvirt.VIR_NETWORK_EVENT_STOPPED)
    finally:
        connection.networkEventDeregisterAny(number)


@pytest.mark.parametrize("forward", ["nat", "route", "open"])
def test_a_way_out_can_be_chosen(lab: Lab, connection: Handle, forward: str) -> None:
    network = connection.networkDefineXML(
        network_xml(lab.name(), octet=lab.names.octet, forward=forward)
    )
    network.create()
    assert f"<forward mode='{forward}'" in network.XMLDesc(0)
