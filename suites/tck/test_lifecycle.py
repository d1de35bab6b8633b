"""Define, start, suspend, destroy, undefine: which states a domain goes through, and why."""

from __future__ import annotations

import libvirt
import pytest

from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle
from suites.tck.domains import PAUSED, RUNNING, SHUTOFF, eventually, names, reason, state
from suites.tck.lab import Lab
from suites.tck.spare import Lend
from suites.tck.verdict import refused


def test_a_defined_domain_is_shut_off(defined: Handle) -> None:
    assert state(defined) == SHUTOFF


def test_a_defined_domain_is_persistent_and_inactive(defined: Handle) -> None:
    assert (defined.isPersistent(), defined.isActive()) == (1, 0)


def test_a_defined_domain_has_no_id(defined: Handle) -> None:
    assert defined.ID() == -1


def test_a_defined_domain_is_listed_as_inactive(connection: Handle, defined: Handle) -> None:
    name = defined.name()
    assert name in names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE)
    assert name not in names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    assert name in connection.listDefinedDomains()


@pytest.mark.alone
def test_a_defined_domain_counts(connection: Handle, domain_xml: DomainXml) -> None:
    before = connection.numOfDefinedDomains()
    connection.defineXML(str(domain_xml))
    assert connection.numOfDefinedDomains() == before + 1


def test_a_started_domain_runs(defined: Handle) -> None:
    assert defined.create() == 0
    assert state(defined) == RUNNING


def test_a_started_domain_says_that_it_was_booted(fresh: Handle) -> None:
    assert reason(fresh) == libvirt.VIR_DOMAIN_RUNNING_BOOTED


def test_a_running_domain_has_an_id_that_finds_it(connection: Handle, shared: Handle) -> None:
    assert shared.ID() >= 0
    assert connection.lookupByID(shared.ID()).UUIDString() == shared.UUIDString()


def test_a_running_domain_is_listed_as_active(connection: Handle, shared: Handle) -> None:
    assert shared.name() in names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    assert shared.ID() in connection.listDomainsID()


@pytest.mark.alone
def test_a_running_domain_counts(connection: Handle, defined: Handle) -> None:
    before = connection.numOfDomains()
    defined.create()
    assert connection.numOfDomains() == before + 1


def test_a_running_domain_cannot_be_started_again(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        shared.create()


def test_every_start_gives_a_new_id(running: Handle) -> None:
    first = running.ID()
    running.destroy()
    running.create()
    assert running.ID() != first


def test_destroy_shuts_a_domain_off(running: Handle) -> None:
    assert running.destroy() == 0
    assert state(running) == SHUTOFF


def destroyed(lab: Lab) -> Handle:
    domain: Handle = lab.connection.defineXML(str(lab.domain()))
    domain.create()
    domain.destroy()
    return domain


def test_a_destroyed_domain_says_so(lab: Lab, lend: Lend) -> None:
    domain = lend("destroyed", lambda: destroyed(lab))
    assert reason(domain) == libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED


def test_a_destroyed_domain_keeps_its_configuration(
    connection: Handle, lab: Lab, lend: Lend
) -> None:
    domain = lend("destroyed", lambda: destroyed(lab))
    assert domain.name() in connection.listDefinedDomains()


def test_an_inactive_domain_cannot_be_destroyed(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.destroy()


def test_destroying_with_flags_shuts_a_domain_off(running: Handle) -> None:
    running.destroyFlags(0)
    assert state(running) == SHUTOFF


def test_a_domain_can_be_started_with_flags(defined: Handle) -> None:
    defined.createWithFlags(0)
    assert state(defined) == RUNNING


def test_a_domain_can_be_started_with_files(defined: Handle) -> None:
    defined.createWithFiles([], 0)
    assert state(defined) == RUNNING


def test_a_transient_domain_can_be_started_with_files(
    connection: Handle, domain_xml: DomainXml
) -> None:
    assert connection.createXMLWithFiles(str(domain_xml), [], 0).isActive() == 1


def test_the_oldest_way_to_start_a_domain_works(connection: Handle, domain_xml: DomainXml) -> None:
    assert connection.createLinux(str(domain_xml), 0).isActive() == 1


def test_a_graceful_destroy_shuts_a_domain_off(running: Handle) -> None:
    running.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    assert state(running) == SHUTOFF


def test_a_domain_can_be_started_paused(defined: Handle) -> None:
    defined.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    assert state(defined) == PAUSED


def test_a_transient_domain_can_be_started_paused(
    connection: Handle, domain_xml: DomainXml
) -> None:
    domain = connection.createXML(str(domain_xml), libvirt.VIR_DOMAIN_START_PAUSED)
    assert state(domain) == PAUSED


def test_suspend_pauses(running: Handle) -> None:
    assert running.suspend() == 0
    assert state(running) == PAUSED


def test_a_suspended_domain_says_that_the_user_did_it(running: Handle) -> None:
    running.suspend()
    assert reason(running) == libvirt.VIR_DOMAIN_PAUSED_USER


def test_resume_goes_on(running: Handle) -> None:
    running.suspend()
    assert running.resume() == 0
    assert state(running) == RUNNING


def test_a_resumed_domain_says_that_it_was_unpaused(running: Handle) -> None:
    running.suspend()
    running.resume()
    assert reason(running) == libvirt.VIR_DOMAIN_RUNNING_UNPAUSED


def test_an_inactive_domain_cannot_be_suspended(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.suspend()


def test_an_inactive_domain_cannot_be_resumed(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.resume()


def test_a_paused_domain_can_be_destroyed(running: Handle) -> None:
    running.suspend()
    running.destroy()
    assert state(running) == SHUTOFF


def test_undefine_removes_the_configuration(connection: Handle, defined: Handle) -> None:
    name = defined.name()
    assert defined.undefine() == 0
    assert name not in names(connection)


def test_an_undefined_domain_is_not_found(connection: Handle, defined: Handle) -> None:
    name = defined.name()
    defined.undefine()
    with refused(libvirt.VIR_ERR_NO_DOMAIN):
        connection.lookupByName(name)


def test_a_call_on_an_undefined_domain_is_refused(defined: Handle) -> None:
    defined.undefine()
    with refused(libvirt.VIR_ERR_NO_DOMAIN):
        defined.info()


def test_a_running_domain_becomes_transient_when_undefined(running: Handle) -> None:
    running.undefine()
    assert (running.isPersistent(), running.isActive()) == (0, 1)


def test_a_transient_domain_runs_without_configuration(
    connection: Handle, transient: Handle
) -> None:
    assert (transient.isPersistent(), state(transient)) == (0, RUNNING)
    assert transient.name() not in connection.listDefinedDomains()


def test_a_transient_domain_cannot_be_undefined(transient: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        transient.undefine()


def test_transient_and_persistent_domains_are_told_apart_in_lists(
    lab: Lab, connection: Handle, transient: Handle
) -> None:
    persistent = connection.defineXML(str(lab.domain())).name()
    found = names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
    assert transient.name() in found
    assert persistent not in found
    assert persistent in names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)


def test_a_transient_domain_vanishes_when_destroyed(connection: Handle, transient: Handle) -> None:
    name = transient.name()
    transient.destroy()
    assert name not in names(connection)


def test_a_transient_domain_becomes_persistent_when_defined(
    connection: Handle, transient: Handle
) -> None:
    connection.defineXML(transient.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    assert transient.isPersistent() == 1


def test_an_autodestroy_domain_ends_with_its_connection(lab: Lab, connection: Handle) -> None:
    xml = lab.domain()
    other = lab.another()
    other.open().createXML(str(xml), libvirt.VIR_DOMAIN_START_AUTODESTROY)
    assert xml.name in names(connection)
    other.close()
    eventually("the domain went", lambda: xml.name not in names(connection))
