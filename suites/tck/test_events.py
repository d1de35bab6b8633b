"""Events: each kind comes, says the right thing, in the right order, and only when asked for."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, LIVE, names
from suites.tck.event_log import EventLog, domain_events, let_younger_events_come
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.verdict import refused

LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
DEFINED = libvirt.VIR_DOMAIN_EVENT_DEFINED
UNDEFINED = libvirt.VIR_DOMAIN_EVENT_UNDEFINED
STARTED = libvirt.VIR_DOMAIN_EVENT_STARTED
SUSPENDED = libvirt.VIR_DOMAIN_EVENT_SUSPENDED
RESUMED = libvirt.VIR_DOMAIN_EVENT_RESUMED
STOPPED = libvirt.VIR_DOMAIN_EVENT_STOPPED


def test_defining_is_told(connection: Handle, domain_xml: DomainXml) -> None:
    with domain_events(connection, LIFECYCLE, prefix=domain_xml.name) as log:
        connection.defineXML(str(domain_xml))
        log.expect(DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_ADDED)


def test_defining_again_is_told_as_an_update(connection: Handle, defined: Handle) -> None:
    xml = defined.XMLDesc(0)
    with domain_events(connection, LIFECYCLE, defined) as log:
        connection.defineXML(xml)
        log.expect(DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_UPDATED)


def test_undefining_is_told(connection: Handle, defined: Handle) -> None:
    with domain_events(connection, LIFECYCLE, defined) as log:
        defined.undefine()
        log.expect(UNDEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED_REMOVED)


def test_a_start_is_told_as_booted(connection: Handle, defined: Handle) -> None:
    with domain_events(connection, LIFECYCLE, defined) as log:
        defined.create()
        log.expect(STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED)


def test_suspending_is_told(connection: Handle, running: Handle) -> None:
    with domain_events(connection, LIFECYCLE, running) as log:
        running.suspend()
        log.expect(SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED)


def test_resuming_is_told(connection: Handle, running: Handle) -> None:
    running.suspend()
    with domain_events(connection, LIFECYCLE, running) as log:
        running.resume()
        log.expect(RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED)


def test_destroying_is_told(connection: Handle, running: Handle) -> None:
    with domain_events(connection, LIFECYCLE, running) as log:
        running.destroy()
        log.expect(STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED)


def test_saving_is_told(connection: Handle, savable: Handle, lab: Lab) -> None:
    with domain_events(connection, LIFECYCLE, savable) as log:
        savable.save(lab.scratch.file())
        log.expect(STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED)


def test_restoring_is_told(connection: Handle, savable: Handle, lab: Lab) -> None:
    path = lab.scratch.file()
    savable.save(path)
    with domain_events(connection, LIFECYCLE, savable) as log:
        connection.restore(path)
        log.expect(STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_RESTORED)


def test_renaming_is_told(connection: Handle, defined: Handle, lab: Lab) -> None:
    name = lab.name()
    with domain_events(connection, LIFECYCLE, prefix=name) as log:
        defined.rename(name, 0)
        log.expect(DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_RENAMED)


def test_a_guest_that_shuts_down_is_told(connection: Handle, guest: Guest) -> None:
    with domain_events(connection, LIFECYCLE, guest.domain) as log:
        guest.shut_down()
        log.expect(STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)


def test_a_reboot_is_told(connection: Handle, guest: Guest, lab: Lab) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_REBOOT
    with domain_events(connection, kind, guest.domain, patience=lab.options.patience) as log:
        before = guest.boot_id()
        guest.domain.reboot(0)
        guest.booted_again(before)
        log.expect()


def test_a_life_is_told_in_order(connection: Handle, defined: Handle) -> None:
    with domain_events(connection, LIFECYCLE, defined) as log:
        defined.create()
        defined.suspend()
        defined.resume()
        defined.destroy()
        log.expect(STOPPED)
        told = [event for event, _ in log.seen if event in (STARTED, SUSPENDED, STOPPED)]
    assert told == [STARTED, SUSPENDED, STOPPED]


def test_events_of_another_domain_are_not_told(
    connection: Handle, defined: Handle, lab: Lab
) -> None:
    other = connection.defineXML(str(lab.domain()))
    with domain_events(connection, LIFECYCLE, other) as log:
        defined.create()
        let_younger_events_come(connection, lab.domain(), lab.options.patience)
        assert log.seen == []


def test_nothing_is_told_after_taking_leave(connection: Handle, defined: Handle, lab: Lab) -> None:
    with domain_events(connection, LIFECYCLE, defined) as log:
        pass
    defined.create()
    let_younger_events_come(connection, lab.domain(), lab.options.patience)
    assert log.seen == []


def test_two_listeners_are_both_told(connection: Handle, defined: Handle) -> None:
    with (
        domain_events(connection, LIFECYCLE, defined) as first,
        domain_events(connection, LIFECYCLE, defined) as second,
    ):
        defined.create()
        first.expect(STARTED)
        second.expect(STARTED)


def test_another_connection_is_told_as_well(lab: Lab, defined: Handle) -> None:
    other = lab.another()
    try:
        if defined.name() not in names(other.open()):
            pytest.skip("this driver keeps the objects of each connection apart")
        with domain_events(other.connection, LIFECYCLE, prefix=defined.name()) as log:
            defined.create()
            log.expect(STARTED)
    finally:
        other.close()


def test_the_old_way_to_listen_works(connection: Handle, defined: Handle) -> None:
    log = EventLog()

    name = defined.name()

    def happened(_connection: Handle, about: Handle, *values: Any) -> None:
        if about.name() == name:
            log.add(*values)

    connection.domainEventRegister(happened, None)
    defined.create()
    log.expect(STARTED)
    connection.domainEventDeregister(happened)


def test_taking_leave_twice_is_refused(connection: Handle) -> None:
    number = connection.domainEventRegisterAny(None, LIFECYCLE, lambda *_: None, None)
    connection.domainEventDeregisterAny(number)
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.domainEventDeregisterAny(number)


def test_a_device_that_is_removed_is_told(connection: Handle, lab: Lab, guest: Guest) -> None:
    disk = lab.disk_xml("vdb")
    guest.domain.attachDevice(disk)
    guest.beat()
    kind = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
    with domain_events(connection, kind, guest.domain, patience=3 * lab.options.patience) as log:
        guest.domain.detachDevice(disk)
        log.wait("the removed device", lambda seen: bool(seen[0]))


def test_a_change_of_metadata_is_told(connection: Handle, running: Handle) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE
    with domain_events(connection, kind, running) as log:
        running.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "told", None, None, LIVE)
        log.expect(libvirt.VIR_DOMAIN_METADATA_TITLE)
    running.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None, None, None, LIVE)


def test_a_change_of_tuning_is_told(connection: Handle, running: Handle, lab: Lab) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE
    count = len(running.vcpuPinInfo(0)[0])
    with domain_events(connection, kind, running) as log:
        running.pinVcpu(0, (True, *(False for _ in range(count - 1))))
        let_younger_events_come(connection, lab.domain(), lab.options.patience)
        values = log.late("cputune.vcpupin0", lambda seen: "cputune.vcpupin0" in seen[0])
    assert values[0]["cputune.vcpupin0"] == "0"


def test_a_job_that_is_done_is_told(connection: Handle, savable: Handle, lab: Lab) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED
    with domain_events(connection, kind, savable) as log:
        savable.save(lab.scratch.file())
        let_younger_events_come(connection, lab.domain(), lab.options.patience)
        log.late("a finished job", lambda seen: bool(seen[0]))


@pytest.mark.parametrize(
    "kind",
    [
        "RTC_CHANGE", "WATCHDOG", "IO_ERROR", "GRAPHICS", "IO_ERROR_REASON", "CONTROL_ERROR",
        "BLOCK_JOB", "DISK_CHANGE", "TRAY_CHANGE", "PMWAKEUP", "PMSUSPEND", "BALLOON_CHANGE",
        "PMSUSPEND_DISK", "BLOCK_JOB_2", "AGENT_LIFECYCLE", "DEVICE_ADDED",
        "MIGRATION_ITERATION", "DEVICE_REMOVAL_FAILED", "BLOCK_THRESHOLD", "MEMORY_FAILURE",
        "MEMORY_DEVICE_SIZE_CHANGE",
    ],
)  # fmt: skip
def test_one_can_listen_to(lab: Lab, connection: Handle, kind: str) -> None:
    number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{kind}")
    with domain_events(connection, number, prefix=lab.name()) as log:
        assert log.seen == []


def test_a_balloon_that_was_moved_is_told(connection: Handle, running: Handle) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE
    with domain_events(connection, kind, running):
        assert running.setMemoryFlags(48 * 1024, LIVE) == 0


def test_a_device_that_was_added_is_told(connection: Handle, running: Handle, lab: Lab) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED
    with domain_events(connection, kind, running) as log:
        running.attachDeviceFlags(lab.disk_xml("vdb"), LIVE)
        log.wait("the new device", lambda seen: bool(seen[0]))


def test_a_timer_of_the_event_loop_fires() -> None:
    log = EventLog()
    number = libvirt.virEventAddTimeout(20, lambda timer, _opaque: log.add(timer), None)
    try:
        log.expect(number)
    finally:
        libvirt.virEventRemoveTimeout(number)


def test_configured_changes_are_not_told_as_tuning(connection: Handle, running: Handle) -> None:
    kind = libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE
    with domain_events(connection, kind, running) as log:
        running.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "kept", None, None, CONFIG)
        log.expect(libvirt.VIR_DOMAIN_METADATA_TITLE)
    running.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None, None, None, CONFIG)
