"""Names, ids, UUIDs, autostart, titles and metadata of domains."""

from __future__ import annotations

import uuid
from dataclasses import replace

import libvirt
import pytest

from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, LIVE, names, text
from suites.tck.lab import Lab
from suites.tck.verdict import refused

NAMESPACE = "https://virtci.invalid/tck"


def test_a_domain_is_found_by_its_name(connection: Handle, defined: Handle) -> None:
    assert connection.lookupByName(defined.name()).UUIDString() == defined.UUIDString()


def test_a_domain_is_found_by_its_uuid(connection: Handle, defined: Handle) -> None:
    assert connection.lookupByUUIDString(defined.UUIDString()).name() == defined.name()


def test_a_domain_is_found_by_its_raw_uuid(connection: Handle, defined: Handle) -> None:
    assert connection.lookupByUUID(defined.UUID()).name() == defined.name()


def test_raw_and_printed_uuid_are_the_same(defined: Handle) -> None:
    assert str(uuid.UUID(bytes=defined.UUID())) == defined.UUIDString()


def test_a_uuid_that_was_given_is_kept(connection: Handle, domain_xml: DomainXml) -> None:
    wanted = str(uuid.uuid4())
    assert connection.defineXML(str(replace(domain_xml, uuid=wanted))).UUIDString() == wanted


def test_a_uuid_is_made_when_none_was_given(lab: Lab, connection: Handle) -> None:
    made = {connection.defineXML(str(lab.domain())).UUIDString() for _ in range(2)}
    assert len(made) == 2


def test_the_uuid_stays_from_configuration_to_run(connection: Handle, shared: Handle) -> None:
    assert connection.lookupByID(shared.ID()).UUIDString() == shared.UUIDString()


def test_a_name_that_nobody_has_is_not_found(lab: Lab, connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN):
        connection.lookupByName(lab.name())


def test_a_uuid_that_nobody_has_is_not_found(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN):
        connection.lookupByUUIDString(str(uuid.uuid4()))


def test_an_id_that_nobody_has_is_not_found(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN):
        connection.lookupByID(2**30)


@pytest.mark.parametrize("bad", ["", "nonsense", "12345678-1234"])
def test_a_malformed_uuid_is_refused(connection: Handle, bad: str) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.lookupByUUIDString(bad)


def test_two_domains_cannot_have_one_name(connection: Handle, defined: Handle, lab: Lab) -> None:
    twin = replace(lab.domain(), name=defined.name(), uuid=str(uuid.uuid4()))
    with refused(libvirt.VIR_ERR_OPERATION_FAILED):
        connection.defineXML(str(twin))


def test_two_domains_cannot_have_one_uuid(connection: Handle, defined: Handle, lab: Lab) -> None:
    twin = replace(lab.domain(), uuid=defined.UUIDString())
    with refused(libvirt.VIR_ERR_OPERATION_FAILED):
        connection.defineXML(str(twin))


def test_a_running_domain_cannot_be_created_twice(
    connection: Handle, transient: Handle, domain_xml: DomainXml
) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_OPERATION_INVALID):
        connection.createXML(str(replace(domain_xml, uuid=transient.UUIDString())), 0)


def test_a_new_domain_does_not_start_by_itself(defined: Handle) -> None:
    assert defined.autostart() == 0


def test_autostart_can_be_set_and_taken_back(defined: Handle) -> None:
    defined.setAutostart(1)
    assert defined.autostart() == 1
    defined.setAutostart(0)
    assert defined.autostart() == 0


def test_autostart_is_a_way_to_list(connection: Handle, defined: Handle) -> None:
    defined.setAutostart(1)
    assert defined.name() in names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
    assert defined.name() not in names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART)


def test_a_transient_domain_cannot_start_by_itself(transient: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        transient.setAutostart(1)


def test_a_domain_can_be_renamed(connection: Handle, defined: Handle, lab: Lab) -> None:
    before, after = defined.name(), lab.name()
    defined.rename(after, 0)
    assert after in names(connection)
    assert before not in names(connection)


def test_a_domain_cannot_take_the_name_of_another(
    connection: Handle, defined: Handle, lab: Lab
) -> None:
    other = connection.defineXML(str(lab.domain()))
    with refused(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_FAILED):
        defined.rename(other.name(), 0)


def test_a_running_domain_cannot_be_renamed(shared: Handle, lab: Lab) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        shared.rename(lab.name(), 0)


def test_a_title_can_be_set(defined: Handle) -> None:
    defined.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "a title", None, None, CONFIG)
    assert text(defined, "title") == "a title"
    assert defined.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None, CONFIG) == "a title"


def test_a_title_has_one_line(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        defined.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "two\nlines", None, None, CONFIG)


def test_a_description_can_be_set(defined: Handle) -> None:
    kind = libvirt.VIR_DOMAIN_METADATA_DESCRIPTION
    defined.setMetadata(kind, "what it\nis for", None, None, CONFIG)
    assert defined.metadata(kind, None, CONFIG) == "what it\nis for"


def test_an_element_of_ones_own_can_be_kept(defined: Handle) -> None:
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    defined.setMetadata(kind, "<owner>tck</owner>", "virtci", NAMESPACE, CONFIG)
    assert "tck" in defined.metadata(kind, NAMESPACE, CONFIG)


def test_metadata_that_was_never_set_is_not_found(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_DOMAIN_METADATA):
        defined.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, CONFIG)


def test_metadata_of_the_run_is_not_that_of_the_configuration(running: Handle) -> None:
    kind = libvirt.VIR_DOMAIN_METADATA_TITLE
    running.setMetadata(kind, "only now", None, None, LIVE)
    assert running.metadata(kind, None, LIVE) == "only now"
    with refused(libvirt.VIR_ERR_NO_DOMAIN_METADATA):
        running.metadata(kind, None, CONFIG)


def test_the_type_of_its_operating_system_is_told(lab: Lab, defined: Handle) -> None:
    assert defined.OSType() in (lab.platform.os, "linux", "hvm", "xen")


def test_a_fresh_domain_was_not_changed(connection: Handle, defined: Handle) -> None:
    assert defined.isUpdated() == 0
