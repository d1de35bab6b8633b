"""What a description says goes in and comes out again; what makes no sense is refused."""

from __future__ import annotations

from dataclasses import replace

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, text
from suites.tck.lab import Lab
from suites.tck.verdict import refused

WRONG = (
    libvirt.VIR_ERR_XML_ERROR,
    libvirt.VIR_ERR_XML_DETAIL,
    libvirt.VIR_ERR_XML_INVALID_SCHEMA,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
)


def test_a_description_survives_the_round_trip(connection: Handle, defined: Handle) -> None:
    first = defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    connection.defineXML(first)
    assert defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == first


def test_a_description_without_a_name_is_refused(connection: Handle, domain_xml: DomainXml) -> None:
    with refused(*WRONG, libvirt.VIR_ERR_NO_NAME):
        connection.defineXML(str(replace(domain_xml, name="")))


def test_what_is_no_xml_is_refused(connection: Handle) -> None:
    with refused(*WRONG):
        connection.defineXML("this is no xml")


def test_an_empty_description_is_refused(connection: Handle) -> None:
    with refused(*WRONG, libvirt.VIR_ERR_INVALID_ARG):
        connection.defineXML("")


def test_the_description_of_something_else_is_refused(connection: Handle) -> None:
    with refused(*WRONG):
        connection.defineXML("<network><name>virtci-tck-no</name></network>")


def test_a_domain_type_that_is_none_is_refused(connection: Handle, domain_xml: DomainXml) -> None:
    other = replace(domain_xml, platform=replace(domain_xml.platform, type="virtci"))
    with refused(*WRONG, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.defineXML(str(other))


def test_a_malformed_uuid_is_refused(connection: Handle, domain_xml: DomainXml) -> None:
    with refused(*WRONG, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.defineXML(str(replace(domain_xml, uuid="no-uuid")))


def test_a_malformed_mac_address_is_refused(connection: Handle, domain_xml: DomainXml) -> None:
    card = "<interface type='user'><mac address='not:a:mac'/></interface>"
    with refused(*WRONG, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.defineXML(str(domain_xml.but(devices=(card,))))


def test_memory_that_is_no_number_is_refused(connection: Handle, domain_xml: DomainXml) -> None:
    xml = str(domain_xml).replace(f"<memory>{domain_xml.mib * 1024}", "<memory>much")
    with refused(*WRONG, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.defineXML(xml)


def test_more_vcpus_now_than_at_most_are_refused(connection: Handle, domain_xml: DomainXml) -> None:
    xml = str(domain_xml).replace("<vcpu>1<", "<vcpu current='4'>1<")
    with refused(*WRONG, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.defineXML(xml)


def test_two_disks_with_one_name_are_refused(lab: Lab, connection: Handle) -> None:
    twice = lab.domain().but(devices=(lab.disk_xml("vda"), lab.disk_xml("vda")))
    with refused(*WRONG):
        connection.defineXML(str(twice))


def test_the_schema_is_checked_when_asked_for(connection: Handle, domain_xml: DomainXml) -> None:
    odd = domain_xml.but(extra=("<virtci/>",))
    with refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA):
        connection.defineXMLFlags(str(odd), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


def test_unknown_elements_are_ignored_unless_checked(
    connection: Handle, domain_xml: DomainXml
) -> None:
    odd = domain_xml.but(extra=("<virtci/>",))
    assert "virtci/>" not in connection.defineXML(str(odd)).XMLDesc(0)


def test_the_schema_is_checked_for_transient_domains_too(
    connection: Handle, domain_xml: DomainXml
) -> None:
    odd = domain_xml.but(extra=("<virtci/>",))
    with refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA):
        connection.createXML(str(odd), libvirt.VIR_DOMAIN_START_VALIDATE)


def test_a_valid_description_passes_the_check(connection: Handle, domain_xml: DomainXml) -> None:
    domain = connection.defineXMLFlags(str(domain_xml), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    assert domain.name() == domain_xml.name


def test_memory_units_are_understood(connection: Handle, domain_xml: DomainXml) -> None:
    xml = str(domain_xml).replace(f"<memory>{domain_xml.mib * 1024}", "<memory unit='MiB'>128")
    assert connection.defineXML(xml).maxMemory() == 128 * 1024


def test_umlauts_and_ampersands_survive(connection: Handle, domain_xml: DomainXml) -> None:
    domain = connection.defineXML(str(replace(domain_xml, title="Grüße & <mehr>")))
    assert text(domain, "title") == "Grüße & <mehr>"


def test_a_description_with_a_security_question_needs_the_right(
    connection: Handle, domain_xml: DomainXml
) -> None:
    vnc = "<graphics type='vnc' port='-1' passwd='geheim'/>"
    domain = connection.defineXML(str(domain_xml.but(devices=(vnc,))))
    assert "geheim" not in domain.XMLDesc(0)
    assert "geheim" in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)


def test_a_later_definition_replaces_the_former(
    connection: Handle, defined: Handle, domain_xml: DomainXml
) -> None:
    again = replace(domain_xml, uuid=defined.UUIDString(), mib=160)
    connection.defineXML(str(again))
    assert defined.maxMemory() == 160 * 1024


def test_a_definition_while_it_runs_is_for_the_next_run(
    connection: Handle, fresh: Handle, domain_xml: DomainXml
) -> None:
    again = replace(domain_xml, uuid=fresh.UUIDString(), title="next")
    connection.defineXML(str(again))
    assert text(fresh, "title", libvirt.VIR_DOMAIN_XML_INACTIVE) == "next"
    assert text(fresh, "title") == ""


def test_a_running_domain_shows_its_id(shared: Handle) -> None:
    assert fromstring(shared.XMLDesc(0)).get("id") == str(shared.ID())


def test_the_description_can_be_made_fit_for_another_host(defined: Handle) -> None:
    assert fromstring(defined.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)).tag == "domain"


def test_the_processor_can_be_spelled_out(defined: Handle) -> None:
    assert fromstring(defined.XMLDesc(libvirt.VIR_DOMAIN_XML_UPDATE_CPU)).tag == "domain"


@pytest.mark.parametrize("action", ["destroy", "restart", "preserve"])
def test_what_to_do_at_the_end_is_kept(
    connection: Handle, domain_xml: DomainXml, action: str
) -> None:
    end = f"<on_poweroff>{action}</on_poweroff>"
    domain = connection.defineXML(str(domain_xml.but(extra=(end,))))
    assert text(domain, "on_poweroff") == action


def test_a_description_becomes_a_command_line(connection: Handle, defined: Handle) -> None:
    native = {"QEMU": "qemu-argv", "Xen": "xen-xl"}.get(connection.getType(), "virtci")
    xml = defined.XMLDesc(CONFIG and libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert defined.name() in connection.domainXMLToNative(native, xml, 0)


def test_a_native_configuration_becomes_a_description(connection: Handle, defined: Handle) -> None:
    native = {"Xen": "xen-xl"}.get(connection.getType(), "qemu-argv")
    xml = defined.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    config = connection.domainXMLToNative(native, xml, 0)
    assert defined.name() in connection.domainXMLFromNative(native, config, 0)


def test_a_native_format_that_is_none_is_refused(connection: Handle, defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.domainXMLToNative("virtci", defined.XMLDesc(0), 0)


def test_what_libvirt_has_to_say_about_it_is_text(shared: Handle) -> None:
    tainted = shared.messages(libvirt.VIR_DOMAIN_MESSAGE_TAINTING)
    deprecated = shared.messages(libvirt.VIR_DOMAIN_MESSAGE_DEPRECATION)
    assert all(text.startswith("tainted: ") for text in tainted), tainted
    assert sorted(shared.messages(0)) == sorted(tainted + deprecated)
