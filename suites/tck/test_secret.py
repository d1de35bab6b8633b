"""Secrets: kept, given back to those who may, private ones to nobody."""

from __future__ import annotations

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.device_xml import secret_xml
from suites.tck.event_log import EventLog
from suites.tck.lab import Lab
from suites.tck.verdict import refused

pytestmark = pytest.mark.alone("secret")  # nobody else makes any, and here they are counted

VOLUME = libvirt.VIR_SECRET_USAGE_TYPE_VOLUME


@pytest.fixture
def secret(lab: Lab, connection: Handle) -> Handle:
    made: Handle = connection.secretDefineXML(secret_xml(lab.name()), 0)
    return made


def test_a_secret_is_found_by_its_uuid(connection: Handle, secret: Handle) -> None:
    assert connection.secretLookupByUUIDString(secret.UUIDString()).usageID() == secret.usageID()


def test_a_secret_is_found_by_its_raw_uuid(connection: Handle, secret: Handle) -> None:
    assert connection.secretLookupByUUID(secret.UUID()).UUIDString() == secret.UUIDString()


def test_a_secret_is_found_by_its_use(connection: Handle, secret: Handle) -> None:
    found = connection.secretLookupByUsage(VOLUME, secret.usageID())
    assert found.UUIDString() == secret.UUIDString()


def test_a_secret_tells_what_it_is_for(secret: Handle) -> None:
    assert secret.usageType() == VOLUME
    assert secret.usageID().startswith("/virtci-tck-")


def test_a_secret_is_listed(connection: Handle, secret: Handle) -> None:
    assert secret.UUIDString() in connection.listSecrets()
    assert secret.UUIDString() in [one.UUIDString() for one in connection.listAllSecrets(0)]


def test_a_secret_counts(lab: Lab, connection: Handle) -> None:
    before = connection.numOfSecrets()
    connection.secretDefineXML(secret_xml(lab.name()), 0)
    assert connection.numOfSecrets() == before + 1


def test_a_value_that_was_set_comes_back(secret: Handle) -> None:
    secret.setValue(b"\x00what\xff", 0)
    assert secret.value(0) == b"\x00what\xff"


def test_a_secret_without_a_value_says_so(secret: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_SECRET):
        secret.value(0)


def test_the_value_of_a_private_secret_stays_inside(lab: Lab, connection: Handle) -> None:
    secret = connection.secretDefineXML(secret_xml(lab.name(), private=True), 0)
    secret.setValue(b"what", 0)
    with refused(libvirt.VIR_ERR_INVALID_SECRET):
        secret.value(0)


def test_an_ephemeral_secret_says_so(lab: Lab, connection: Handle) -> None:
    secret = connection.secretDefineXML(secret_xml(lab.name(), ephemeral=True), 0)
    assert "ephemeral='yes'" in secret.XMLDesc(0)


def test_the_description_does_not_hold_the_value(secret: Handle) -> None:
    secret.setValue(b"geheimnis", 0)
    assert "geheimnis" not in secret.XMLDesc(0)


def test_one_use_has_one_secret(connection: Handle, secret: Handle) -> None:
    with refused(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_FAILED):
        connection.secretDefineXML(secret_xml(secret.usageID().lstrip("/")), 0)


def test_an_undefined_secret_is_not_found(connection: Handle, secret: Handle) -> None:
    number = secret.UUIDString()
    secret.undefine()
    with refused(libvirt.VIR_ERR_NO_SECRET):
        connection.secretLookupByUUIDString(number)


def test_a_use_that_nobody_has_is_not_found(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_NO_SECRET):
        connection.secretLookupByUsage(VOLUME, "/virtci/nothing")


def test_what_is_no_secret_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL):
        connection.secretDefineXML("<domain/>", 0)


def test_the_life_of_a_secret_is_told(lab: Lab, connection: Handle) -> None:
    log = EventLog()
    number = connection.secretEventRegisterAny(
        None,
        libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE,
        lambda _connection, _secret, event, detail, _opaque: log.add(event, detail),
        None,
    )
    try:
        secret = connection.secretDefineXML(secret_xml(lab.name()), 0)
        log.expect(libvirt.VIR_SECRET_EVENT_DEFINED)
        secret.undefine()
        log.expect(libvirt.VIR_SECRET_EVENT_UNDEFINED)
    finally:
        connection.secretEventDeregisterAny(number)


def test_a_changed_value_is_told(connection: Handle, secret: Handle) -> None:
    log = EventLog()
    number = connection.secretEventRegisterAny(
        secret, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED, lambda *_: log.add("changed"), None
    )
    try:
        secret.setValue(b"new", 0)
        log.expect("changed")
    finally:
        connection.secretEventDeregisterAny(number)
