"""Errors say whose they are, what they are about, and leave the connection usable."""

from __future__ import annotations

import uuid

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.lab import Lab
from suites.tck.verdict import is_unsupported


def error_of(call: object, *values: object) -> libvirt.libvirtError:
    """The error that a call ends in."""
    assert callable(call)
    try:
        call(*values)
    except libvirt.libvirtError as error:
        if is_unsupported(error):
            raise
        return error
    raise AssertionError("the call did not fail")


def test_an_unknown_domain_is_an_error_of_the_driver(lab: Lab, connection: Handle) -> None:
    error = error_of(connection.lookupByName, lab.name())
    drivers = (
        libvirt.VIR_FROM_TEST, libvirt.VIR_FROM_QEMU, libvirt.VIR_FROM_LIBXL, libvirt.VIR_FROM_LXC,
        libvirt.VIR_FROM_CH, libvirt.VIR_FROM_BHYVE,
    )  # fmt: skip
    assert error.get_error_domain() in drivers


@pytest.mark.parametrize(
    ("method", "domain"),
    [
        ("networkLookupByName", libvirt.VIR_FROM_NETWORK),
        ("storagePoolLookupByName", libvirt.VIR_FROM_STORAGE),
        ("nwfilterLookupByName", libvirt.VIR_FROM_NWFILTER),
        ("interfaceLookupByName", libvirt.VIR_FROM_INTERFACE),
        ("nodeDeviceLookupByName", libvirt.VIR_FROM_NODEDEV),
    ],
    ids=["network", "storage", "nwfilter", "interface", "nodedev"],
)
def test_an_unknown_object_is_an_error_of_its_driver(
    lab: Lab, connection: Handle, method: str, domain: int
) -> None:
    error = error_of(getattr(connection, method), lab.name())
    assert error.get_error_domain() in (domain, libvirt.VIR_FROM_TEST)


def test_the_name_that_was_not_found_is_in_the_message(lab: Lab, connection: Handle) -> None:
    name = lab.name()
    assert name in str(error_of(connection.lookupByName, name))


def test_the_uuid_that_was_not_found_is_in_the_message(connection: Handle) -> None:
    number = str(uuid.uuid4())
    assert number in str(error_of(connection.lookupByUUIDString, number))


def test_an_error_is_of_the_level_error(lab: Lab, connection: Handle) -> None:
    assert error_of(connection.lookupByName, lab.name()).get_error_level() == libvirt.VIR_ERR_ERROR


def test_bad_xml_names_the_place(connection: Handle) -> None:
    message = str(error_of(connection.defineXML, "<domain><name>x</nome></domain>"))
    assert "nome" in message or "line" in message


def test_a_missing_element_is_named(connection: Handle) -> None:
    assert "name" in str(error_of(connection.defineXML, "<domain type='test'/>")).lower()


def test_the_connection_works_after_an_error(lab: Lab, connection: Handle) -> None:
    for _ in range(50):
        error_of(connection.lookupByName, lab.name())
    assert connection.isAlive() == 1
    assert connection.getHostname()


def test_a_domain_of_a_closed_connection_is_not_used(lab: Lab, defined: Handle) -> None:
    other = lab.another()
    connection = other.open()
    try:
        found = connection.lookupByName(defined.name())
    except libvirt.libvirtError:
        pytest.skip("this driver keeps the objects of each connection apart")
    finally:
        other.close()
    # the object keeps its connection open
    assert found.name() == defined.name()


def test_a_number_that_is_too_large_is_refused_by_the_binding(defined: Handle) -> None:
    with pytest.raises((OverflowError, TypeError, libvirt.libvirtError)):
        defined.setMemory(2**70)


def test_text_where_a_number_is_due_is_refused_by_the_binding(defined: Handle) -> None:
    with pytest.raises(TypeError):
        defined.setMemory("much")


@pytest.mark.parametrize("name", ["", "a" * 4096, "virtci/tck", "virtci\ttck", "ünïcödé"])
def test_an_odd_name_does_no_harm(connection: Handle, name: str) -> None:
    error = error_of(connection.lookupByName, name)
    assert error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG)
