"""Saving a domain's memory to a file, or where libvirt manages it, and going on from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.domains import PAUSED, RUNNING, SHUTOFF, names, reason, state
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.spare import Lend
from suites.tck.verdict import refused

Managed = Callable[[], Handle]
NO_IMAGE = (
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_INVALID_ARG,
)


@pytest.fixture
def running(savable: Handle) -> Handle:
    """A persistent domain that runs and can be saved."""
    return savable


@pytest.fixture
def transient(lab: Lab, connection: Handle) -> Handle:
    """The same without a configuration."""
    return lab.up(connection.createXML(str(lab.savable()), 0))


@pytest.fixture
def managed(lab: Lab, lend: Lend) -> Managed:
    """Gives a domain with a managed image, the one that the last case left if it has it still."""

    def save() -> Handle:
        domain = lab.savable_domain()
        domain.managedSave(0)
        return domain

    return lambda: lend("managed", save)


@pytest.fixture
def saved(running: Handle, lab: Lab) -> str:
    """The file that a persistent domain was saved to."""
    path = lab.scratch.file()
    running.save(path)
    return path


@pytest.fixture
def at_rest(lab: Lab, lend: Lend) -> Handle:
    """A domain that was saved and not touched since."""

    def save() -> Handle:
        domain = lab.savable_domain()
        domain.save(lab.scratch.file())
        return domain

    return lend("saved", save)


def test_a_saved_domain_is_shut_off(at_rest: Handle) -> None:
    assert state(at_rest) == SHUTOFF


def test_a_saved_domain_says_so(at_rest: Handle) -> None:
    assert reason(at_rest) == libvirt.VIR_DOMAIN_SHUTOFF_SAVED


def test_a_restored_domain_runs(connection: Handle, running: Handle, saved: str) -> None:
    connection.restore(saved)
    assert state(running) == RUNNING


def test_a_restored_domain_says_so(connection: Handle, running: Handle, saved: str) -> None:
    connection.restore(saved)
    assert reason(running) == libvirt.VIR_DOMAIN_RUNNING_RESTORED


def test_a_domain_can_be_restored_paused(connection: Handle, running: Handle, saved: str) -> None:
    connection.restoreFlags(saved, None, libvirt.VIR_DOMAIN_SAVE_PAUSED)
    assert state(running) == PAUSED


def test_a_paused_domain_is_restored_paused(connection: Handle, running: Handle, lab: Lab) -> None:
    running.suspend()
    path = lab.scratch.file()
    running.save(path)
    connection.restore(path)
    assert state(running) == PAUSED


def test_a_domain_saved_to_run_is_restored_running(
    connection: Handle, running: Handle, lab: Lab
) -> None:
    running.suspend()
    path = lab.scratch.file()
    running.saveFlags(path, None, libvirt.VIR_DOMAIN_SAVE_RUNNING)
    connection.restore(path)
    assert state(running) == RUNNING


def test_a_saved_transient_domain_is_gone_and_comes_back(
    connection: Handle, transient: Handle, lab: Lab
) -> None:
    name, path = transient.name(), lab.scratch.file()
    transient.save(path)
    assert name not in names(connection)
    connection.restore(path)
    assert connection.lookupByName(name).isActive() == 1


def test_a_restored_guest_goes_on_where_it_was(connection: Handle, guest: Guest, lab: Lab) -> None:
    boot, path = guest.boot_id(), lab.scratch.file()
    guest.domain.save(path)
    connection.restore(path)
    guest.reopen()
    guest.beats_after(guest.beat())
    assert guest.boot_id() == boot


def test_the_description_in_a_saved_image_can_be_read(connection: Handle, saved: str) -> None:
    assert connection.saveImageGetXMLDesc(saved, 0).startswith("<domain")


def test_the_description_in_a_saved_image_can_be_replaced(
    connection: Handle, running: Handle, saved: str
) -> None:
    xml = connection.saveImageGetXMLDesc(saved, 0)
    changed = xml.replace("<on_reboot>restart", "<on_reboot>destroy")
    connection.saveImageDefineXML(saved, changed, 0)
    assert "<on_reboot>destroy" in connection.saveImageGetXMLDesc(saved, 0)


def test_a_file_that_is_no_image_is_not_restored(connection: Handle, lab: Lab) -> None:
    if not lab.session.local:
        pytest.skip("only a file of this machine can be written by us")
    path = lab.scratch.file()
    Path(path).write_text("no image\n" * 100)
    with refused(*NO_IMAGE):
        connection.restore(path)


def test_a_file_that_is_not_there_is_not_restored(connection: Handle) -> None:
    with refused(*NO_IMAGE):
        connection.restore("/virtci/nothing/image")


def test_saving_into_a_folder_that_is_none_leaves_the_domain_running(shared: Handle) -> None:
    with refused(*NO_IMAGE):
        shared.save("/virtci/nothing/image")
    assert state(shared) == RUNNING


def test_an_inactive_domain_cannot_be_saved(defined: Handle, lab: Lab) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.save(lab.scratch.file())


def test_a_running_domain_is_not_restored_over(
    connection: Handle, running: Handle, saved: str
) -> None:
    running.create()
    with refused(libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_OPERATION_INVALID):
        connection.restore(saved)


def test_a_domain_can_be_saved_with_parameters(
    connection: Handle, running: Handle, lab: Lab
) -> None:
    path = lab.scratch.file()
    running.saveParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: path}, 0)
    connection.restoreParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: path}, 0)
    assert state(running) == RUNNING


def test_a_fresh_domain_has_no_managed_image(defined: Handle) -> None:
    assert defined.hasManagedSaveImage(0) == 0


def test_a_managed_save_ends_the_run(managed: Managed) -> None:
    domain = managed()
    assert (state(domain), domain.hasManagedSaveImage(0)) == (SHUTOFF, 1)


def test_domains_with_managed_images_can_be_listed(connection: Handle, managed: Managed) -> None:
    domain = managed()
    assert domain.name() in names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)


def test_a_domain_with_a_managed_image_is_not_undefined_by_accident(managed: Managed) -> None:
    domain = managed()
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        domain.undefine()


def test_the_description_in_a_managed_image_can_be_read(managed: Managed) -> None:
    domain = managed()
    assert domain.name() in domain.managedSaveGetXMLDesc(0)


def test_a_domain_starts_from_its_managed_image(managed: Managed) -> None:
    domain = managed()
    domain.create()
    assert (state(domain), domain.hasManagedSaveImage(0)) == (RUNNING, 0)


def test_a_guest_goes_on_from_its_managed_image(guest: Guest) -> None:
    boot = guest.boot_id()
    guest.domain.managedSave(0)
    guest.domain.create()
    guest.reopen()
    guest.beats_after(guest.beat())
    assert guest.boot_id() == boot


def test_a_managed_image_can_be_removed(running: Handle) -> None:
    running.managedSave(0)
    running.managedSaveRemove(0)
    assert running.hasManagedSaveImage(0) == 0


def test_a_start_may_ignore_the_managed_image(running: Handle) -> None:
    running.managedSave(0)
    running.createWithFlags(libvirt.VIR_DOMAIN_START_FORCE_BOOT)
    assert reason(running) == libvirt.VIR_DOMAIN_RUNNING_BOOTED


def test_a_domain_can_be_saved_to_start_paused(running: Handle) -> None:
    running.managedSave(libvirt.VIR_DOMAIN_SAVE_PAUSED)
    running.create()
    assert state(running) == PAUSED


def test_a_domain_can_be_undefined_with_its_managed_image(
    connection: Handle, running: Handle
) -> None:
    name = running.name()
    running.managedSave(0)
    running.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    assert name not in names(connection)


def test_a_transient_domain_has_no_managed_save(transient: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        transient.managedSave(0)


def test_the_description_in_a_managed_image_can_be_replaced(running: Handle) -> None:
    running.managedSave(0)
    xml = running.managedSaveGetXMLDesc(0).replace("<on_reboot>restart", "<on_reboot>destroy")
    running.managedSaveDefineXML(xml, 0)
    assert "<on_reboot>destroy" in running.managedSaveGetXMLDesc(0)
