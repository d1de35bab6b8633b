"""Memory of domains: how much now, how much at most, live and configured, statistics, tuning."""

from __future__ import annotations

import libvirt
import pytest

from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, LIVE, text
from suites.tck.lab import Lab
from suites.tck.verdict import refused

MAXIMUM = libvirt.VIR_DOMAIN_MEM_MAXIMUM
KIB = 1024


def test_the_maximum_is_as_defined(defined: Handle, domain_xml: DomainXml) -> None:
    assert defined.maxMemory() == domain_xml.mib * KIB


def test_info_tells_the_same_maximum(defined: Handle) -> None:
    assert defined.info()[1] == defined.maxMemory()


def test_a_running_domain_has_the_memory_it_was_given(fresh: Handle, domain_xml: DomainXml) -> None:
    assert 0 < fresh.info()[2] <= domain_xml.mib * KIB


def test_current_memory_can_be_lowered_in_the_configuration(defined: Handle) -> None:
    defined.setMemoryFlags(32 * KIB, CONFIG)
    assert text(defined, "currentMemory") == str(32 * KIB)


def test_current_memory_can_be_lowered_while_it_runs(running: Handle) -> None:
    assert running.setMemoryFlags(48 * KIB, LIVE) == 0


def test_a_lower_limit_of_the_run_leaves_the_configuration_alone(running: Handle) -> None:
    before = text(running, "currentMemory", libvirt.VIR_DOMAIN_XML_INACTIVE)
    running.setMemoryFlags(48 * KIB, LIVE)
    assert text(running, "currentMemory", libvirt.VIR_DOMAIN_XML_INACTIVE) == before


def test_the_short_call_sets_the_memory_of_the_run(running: Handle) -> None:
    assert running.setMemory(48 * KIB) == 0


def test_the_short_call_needs_a_run(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.setMemory(48 * KIB)


def test_no_memory_at_all_is_refused(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        shared.setMemory(0)


def test_more_than_the_maximum_is_refused(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        shared.setMemory(shared.maxMemory() + KIB)


def test_the_maximum_can_be_raised_in_the_configuration(defined: Handle) -> None:
    defined.setMemoryFlags(128 * KIB, MAXIMUM | CONFIG)
    assert defined.maxMemory() == 128 * KIB


def test_the_short_call_sets_the_maximum(defined: Handle) -> None:
    defined.setMaxMemory(128 * KIB)
    assert defined.maxMemory() == 128 * KIB


def test_a_maximum_of_nothing_is_refused(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        defined.setMaxMemory(0)


def test_the_current_memory_follows_a_lower_maximum(defined: Handle) -> None:
    defined.setMemoryFlags(32 * KIB, MAXIMUM | CONFIG)
    assert int(text(defined, "currentMemory")) <= 32 * KIB


def test_the_maximum_of_a_running_domain_is_fixed_or_really_changes(running: Handle) -> None:
    try:
        running.setMemoryFlags(128 * KIB, MAXIMUM | LIVE)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
            raise
    else:
        assert running.maxMemory() == 128 * KIB


def test_live_memory_of_an_inactive_domain_is_refused(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.setMemoryFlags(48 * KIB, LIVE)


def test_statistics_are_told(connection: Handle, lab: Lab) -> None:
    balloon = f"<memballoon model='{'xen' if lab.platform.type == 'xen' else 'virtio'}'/>"
    running = connection.createXML(str(lab.domain().but(devices=(balloon,))), 0)
    assert running.memoryStats()["actual"] == running.info()[2]


def test_an_inactive_domain_has_no_statistics(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.memoryStats()


def test_how_often_statistics_are_taken_can_be_set(connection: Handle, lab: Lab) -> None:
    balloon = f"<memballoon model='{'xen' if lab.platform.type == 'xen' else 'virtio'}'/>"
    running = connection.createXML(str(lab.domain().but(devices=(balloon,))), 0)
    assert running.setMemoryStatsPeriod(5, LIVE) == 0


@pytest.mark.parametrize("limit", ["hard_limit", "soft_limit", "swap_hard_limit"])
def test_a_limit_can_be_configured(defined: Handle, limit: str) -> None:
    # the limit with swap may not be below the one without
    both = {"swap_hard_limit": 512 * KIB, "hard_limit": 512 * KIB}
    defined.setMemoryParameters({**both, limit: 512 * KIB}, CONFIG)
    assert defined.memoryParameters(CONFIG)[limit] == 512 * KIB


def test_an_unknown_limit_is_refused(defined: Handle) -> None:
    with pytest.raises(LookupError):  # the binding asks the driver for its names first
        defined.setMemoryParameters({"virtci_limit": 1}, CONFIG)


def test_memory_of_the_guest_can_be_read(shared: Handle) -> None:
    data = shared.memoryPeek(0, 1024, libvirt.VIR_MEMORY_PHYSICAL)
    assert len(data) == 1024
    assert shared.memoryPeek(16, 32, libvirt.VIR_MEMORY_PHYSICAL) == data[16:48]


def test_the_memory_of_an_inactive_domain_cannot_be_read(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.memoryPeek(0, 16, libvirt.VIR_MEMORY_PHYSICAL)


def test_reading_memory_both_ways_at_once_is_refused(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        shared.memoryPeek(0, 16, libvirt.VIR_MEMORY_PHYSICAL | libvirt.VIR_MEMORY_VIRTUAL)
