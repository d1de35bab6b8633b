"""Packet filters and what they are bound to."""

from __future__ import annotations

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.device_xml import filter_xml
from suites.tck.lab import Lab
from suites.tck.verdict import refused

# they are counted, and all bind filters to the one device that every host has
pytestmark = pytest.mark.alone("nwfilter")

RULE = "<rule action='drop' direction='in'><mac/></rule>"


@pytest.fixture
def packet_filter(lab: Lab, connection: Handle) -> Handle:
    made: Handle = connection.nwfilterDefineXML(filter_xml(lab.name(), RULE))
    return made


def test_a_filter_is_found_by_its_name(connection: Handle, packet_filter: Handle) -> None:
    found = connection.nwfilterLookupByName(packet_filter.name())
    assert found.UUIDString() == packet_filter.UUIDString()


def test_a_filter_is_found_by_its_uuid(connection: Handle, packet_filter: Handle) -> None:
    found = connection.nwfilterLookupByUUIDString(packet_filter.UUIDString())
    assert found.name() == packet_filter.name()


def test_a_filter_is_found_by_its_raw_uuid(connection: Handle, packet_filter: Handle) -> None:
    assert connection.nwfilterLookupByUUID(packet_filter.UUID()).name() == packet_filter.name()


def test_a_filter_is_listed(connection: Handle, packet_filter: Handle) -> None:
    assert packet_filter.name() in connection.listNWFilters()
    assert packet_filter.name() in [one.name() for one in connection.listAllNWFilters(0)]


def test_a_filter_counts(lab: Lab, connection: Handle) -> None:
    before = connection.numOfNWFilters()
    connection.nwfilterDefineXML(filter_xml(lab.name()))
    assert connection.numOfNWFilters() == before + 1


def test_the_rules_of_a_filter_are_kept(packet_filter: Handle) -> None:
    rule = fromstring(packet_filter.XMLDesc(0)).find("rule")
    assert rule is not None
    assert rule.get("action") == "drop"


def test_a_later_definition_replaces_the_former(connection: Handle, packet_filter: Handle) -> None:
    number = f"<uuid>{packet_filter.UUIDString()}</uuid>"
    connection.nwfilterDefineXML(filter_xml(packet_filter.name(), number))
    assert fromstring(packet_filter.XMLDesc(0)).find("rule") is None


def test_a_filter_may_use_another(lab: Lab, connection: Handle, packet_filter: Handle) -> None:
    use = f"<filterref filter='{packet_filter.name()}'/>"
    top = connection.nwfilterDefineXML(filter_xml(lab.name(), use))
    assert packet_filter.name() in top.XMLDesc(0)
    top.undefine()


def test_a_filter_in_use_is_not_removed(
    connection: Handle, packet_filter: Handle, lab: Lab
) -> None:
    binding(connection, packet_filter)
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        packet_filter.undefine()
    connection.nwfilterBindingLookupByPortDev("lo").delete()


def test_a_filter_may_not_use_itself(lab: Lab, connection: Handle) -> None:
    name = lab.name()
    with refused(libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.nwfilterDefineXML(filter_xml(name, f"<filterref filter='{name}'/>"))


def test_an_undefined_filter_is_not_found(connection: Handle, packet_filter: Handle) -> None:
    name = packet_filter.name()
    packet_filter.undefine()
    with refused(libvirt.VIR_ERR_NO_NWFILTER):
        connection.nwfilterLookupByName(name)


def test_a_filter_that_nobody_has_is_not_found(lab: Lab, connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_NWFILTER):
        connection.nwfilterLookupByName(lab.name())


def test_what_is_no_filter_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL):
        connection.nwfilterDefineXML("<domain/>")


def test_the_schema_is_checked_when_asked_for(lab: Lab, connection: Handle) -> None:
    odd = filter_xml(lab.name(), "<virtci/>")
    with refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA):
        connection.nwfilterDefineXMLFlags(odd, libvirt.VIR_NWFILTER_DEFINE_VALIDATE)


def test_a_valid_filter_passes_the_check(lab: Lab, connection: Handle) -> None:
    flags = libvirt.VIR_NWFILTER_DEFINE_VALIDATE
    assert connection.nwfilterDefineXMLFlags(filter_xml(lab.name(), RULE), flags).name()


def binding(connection: Handle, packet_filter: Handle) -> Handle:
    """Bind a filter to the loopback device: no packet of the bridge filter ever passes there."""
    xml = (
        "<filterbinding><owner><name>virtci-tck-owner</name>"
        "<uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid></owner>"
        "<portdev name='lo'/><mac address='52:54:00:7c:1c:01'/>"
        f"<filterref filter='{packet_filter.name()}'/></filterbinding>"
    )
    made: Handle = connection.nwfilterBindingCreateXML(xml, 0)
    return made


def test_a_binding_is_found_by_its_device(connection: Handle, packet_filter: Handle) -> None:
    binding(connection, packet_filter)
    assert connection.nwfilterBindingLookupByPortDev("lo").filterName() == packet_filter.name()


def test_a_binding_is_listed(connection: Handle, packet_filter: Handle) -> None:
    binding(connection, packet_filter)
    assert "lo" in [one.portDev() for one in connection.listAllNWFilterBindings(0)]


def test_a_binding_is_described(connection: Handle, packet_filter: Handle) -> None:
    root = fromstring(binding(connection, packet_filter).XMLDesc(0))
    assert root.findtext("owner/name") == "virtci-tck-owner"


def test_a_device_is_bound_once(connection: Handle, packet_filter: Handle) -> None:
    binding(connection, packet_filter)
    with refused(libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_OPERATION_INVALID):
        binding(connection, packet_filter)


def test_a_deleted_binding_is_not_found(connection: Handle, packet_filter: Handle) -> None:
    binding(connection, packet_filter).delete()
    with refused(libvirt.VIR_ERR_NO_NWFILTER_BINDING):
        connection.nwfilterBindingLookupByPortDev("lo")


def test_a_binding_to_a_filter_that_is_none_is_refused(
    connection: Handle, packet_filter: Handle
) -> None:
    packet_filter_name = packet_filter.name()
    packet_filter.undefine()
    xml = (
        "<filterbinding><owner><name>virtci-tck-owner</name>"
        "<uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid></owner>"
        "<portdev name='lo'/><mac address='52:54:00:7c:1c:01'/>"
        f"<filterref filter='{packet_filter_name}'/></filterbinding>"
    )
    with refused(libvirt.VIR_ERR_NO_NWFILTER, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.nwfilterBindingCreateXML(xml, 0)
