"""Virtual processors: counts, limits, pinning, scheduling, time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import libvirt
import pytest

from suites.hypervisor.domain_xml import DomainXml
from suites.hypervisor.handle import Handle
from suites.tck.domains import CONFIG, LIVE
from suites.tck.lab import Lab
from suites.tck.spare import Lend
from suites.tck.verdict import refused

MOST = 6
MAXIMUM = libvirt.VIR_DOMAIN_VCPU_MAXIMUM


@pytest.fixture
def four_vcpus(connection: Handle, domain_xml: DomainXml) -> Handle:
    """A persistent domain with two of four virtual processors in use."""
    xml = str(replace(domain_xml, vcpus=2, max_vcpus=4))
    domain: Handle = connection.defineXML(xml)
    return domain


@pytest.fixture
def roomy(lab: Lab, connection: Handle, four_vcpus: Handle) -> Handle:
    """The same, where the hypervisor allows as many virtual processors as the case asks for."""
    if (most := connection.getMaxVcpus(lab.platform.type)) < MOST:
        pytest.skip(f"this hypervisor allows {most} virtual processors on this host")
    return four_vcpus


def test_the_count_is_as_defined(four_vcpus: Handle) -> None:
    assert four_vcpus.vcpusFlags(CONFIG) == 2


def test_the_maximum_is_as_defined(four_vcpus: Handle) -> None:
    assert four_vcpus.vcpusFlags(CONFIG | MAXIMUM) == 4


def test_info_tells_the_count(four_vcpus: Handle) -> None:
    assert four_vcpus.info()[3] == 2


def started(lab: Lab) -> Handle:
    """A running one; three cases leave it as it is."""
    domain: Handle = lab.connection.defineXML(str(replace(lab.domain(), vcpus=2, max_vcpus=4)))
    domain.create()
    return domain


def test_a_running_domain_has_the_configured_count(lab: Lab, lend: Lend) -> None:
    assert lend("four vcpus", lambda: started(lab)).vcpusFlags(LIVE) == 2


def test_domain_get_max_vcpus_tells_the_maximum_of_a_running_domain(lab: Lab, lend: Lend) -> None:
    assert lend("four vcpus", lambda: started(lab)).maxVcpus() == 4


def test_the_count_can_be_configured(roomy: Handle) -> None:
    roomy.setVcpusFlags(3, CONFIG)
    assert roomy.vcpusFlags(CONFIG) == 3


def test_a_configured_count_leaves_the_run_alone(roomy: Handle) -> None:
    roomy.create()
    roomy.setVcpusFlags(3, CONFIG)
    assert (roomy.vcpusFlags(LIVE), roomy.vcpusFlags(CONFIG)) == (2, 3)


def test_a_processor_can_be_added_while_it_runs(roomy: Handle) -> None:
    roomy.create()
    roomy.setVcpusFlags(3, LIVE)
    assert roomy.vcpusFlags(LIVE) == 3


def test_the_short_call_adds_a_processor(roomy: Handle) -> None:
    roomy.create()
    roomy.setVcpus(3)
    assert roomy.vcpusFlags(LIVE) == 3


def test_more_than_the_maximum_is_refused(four_vcpus: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        four_vcpus.setVcpusFlags(5, CONFIG)


def test_no_processor_at_all_is_refused(four_vcpus: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        four_vcpus.setVcpusFlags(0, CONFIG)


def test_the_maximum_can_be_configured(roomy: Handle) -> None:
    roomy.setVcpusFlags(6, CONFIG | MAXIMUM)
    assert roomy.vcpusFlags(CONFIG | MAXIMUM) == 6


def test_the_maximum_of_a_running_domain_is_fixed(roomy: Handle, lab: Lab, lend: Lend) -> None:
    domain = lend("four vcpus", lambda: started(lab))
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID):
        domain.setVcpusFlags(6, LIVE | MAXIMUM)


def test_live_count_of_an_inactive_domain_is_refused(four_vcpus: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        four_vcpus.vcpusFlags(LIVE)


def test_one_processor_can_be_taken_out_of_the_configuration(roomy: Handle) -> None:
    roomy.setVcpu("3", 1, CONFIG)
    assert roomy.vcpusFlags(CONFIG) == 3


def test_each_running_processor_is_told(shared: Handle) -> None:
    processors, maps = shared.vcpus()
    assert len(processors) == len(maps) == 1
    number, running, _time, where = processors[0]
    assert (number, running) == (0, libvirt.VIR_VCPU_RUNNING)
    assert -1 <= where < len(maps[0]), "it runs on a processor of the host"


def test_the_processors_of_an_inactive_domain_are_not_told(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.vcpus()


def test_a_processor_can_be_pinned_while_it_runs(running: Handle) -> None:
    count = len(running.vcpuPinInfo(0)[0])
    only_first = (True, *(False for _ in range(count - 1)))
    running.pinVcpu(0, only_first)
    assert running.vcpuPinInfo(LIVE)[0] == only_first


def test_a_pinning_can_be_configured(defined: Handle) -> None:
    count = len(defined.vcpuPinInfo(CONFIG)[0])
    only_first = (True, *(False for _ in range(count - 1)))
    defined.pinVcpuFlags(0, only_first, CONFIG)
    assert defined.vcpuPinInfo(CONFIG)[0] == only_first


def test_a_processor_that_is_not_there_cannot_be_pinned(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        shared.pinVcpu(7, (True,))


def test_a_pinning_to_nothing_is_refused(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        shared.pinVcpu(0, (False,))


def test_the_emulator_can_be_pinned(running: Handle) -> None:
    count = len(running.emulatorPinInfo(0))
    only_first = (True, *(False for _ in range(count - 1)))
    running.pinEmulator(only_first, LIVE)
    assert running.emulatorPinInfo(LIVE) == only_first


def test_the_scheduler_has_a_name(shared: Handle) -> None:
    name, count = shared.schedulerType()
    assert name
    assert count >= len(shared.schedulerParameters())


def test_scheduler_parameters_are_told(shared: Handle) -> None:
    assert shared.schedulerParameters()


def test_scheduler_parameters_can_be_set(shared: Handle) -> None:
    name, value = next(iter(shared.schedulerParameters().items()))
    assert shared.setSchedulerParameters({name: value}) == 0


def test_a_scheduler_weight_can_be_configured(defined: Handle) -> None:
    known = defined.schedulerParametersFlags(CONFIG)
    weight = next(name for name in ("cpu_shares", "weight") if name in known)
    defined.setSchedulerParametersFlags({weight: 512}, CONFIG)
    assert defined.schedulerParametersFlags(CONFIG)[weight] == 512


def test_an_unknown_scheduler_parameter_is_refused(shared: Handle) -> None:
    with pytest.raises(LookupError):  # the binding asks the driver for its names first
        shared.setSchedulerParametersFlags({"virtci": 1}, 0)


def test_time_used_is_told_for_all_processors(shared: Handle) -> None:
    first = shared.getCPUStats(1, 0)[0]["cpu_time"]
    assert 0 < first <= shared.getCPUStats(1, 0)[0]["cpu_time"]


def test_time_used_is_told_for_each_processor(connection: Handle, shared: Handle) -> None:
    each = shared.getCPUStats(0, 0)
    assert len(each) == connection.getCPUMap(0)[0], "one for each processor of the host"
    assert sum(one["cpu_time"] for one in each) <= shared.getCPUStats(1, 0)[0]["cpu_time"]


def test_the_time_that_a_domain_used_does_not_go_back(shared: Handle) -> None:
    first = shared.info()[4]
    assert shared.info()[4] >= first


def test_numa_parameters_are_told(shared: Handle) -> None:
    assert "numa_mode" in shared.numaParameters(0)


def test_numa_placement_can_be_configured(defined: Handle) -> None:
    defined.setNumaParameters({"numa_nodeset": "0"}, CONFIG)
    assert defined.numaParameters(CONFIG)["numa_nodeset"] == "0"


def test_performance_events_are_told(shared: Handle) -> None:
    assert "cpu_cycles" in shared.perfEvents(0)


def test_a_performance_event_can_be_configured(defined: Handle) -> None:
    defined.setPerfEvents({"cpu_cycles": True}, CONFIG)
    assert defined.perfEvents(CONFIG)["cpu_cycles"]


def test_an_io_thread_can_be_configured(defined: Handle) -> None:
    defined.addIOThread(1, CONFIG)
    assert [thread[0] for thread in defined.ioThreadInfo(CONFIG)] == [1]


def test_a_configured_io_thread_can_be_removed(defined: Handle) -> None:
    defined.addIOThread(1, CONFIG)
    defined.delIOThread(1, CONFIG)
    assert defined.ioThreadInfo(CONFIG) == []


def test_an_io_thread_cannot_be_added_twice(defined: Handle) -> None:
    defined.addIOThread(1, CONFIG)
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        defined.addIOThread(1, CONFIG)


@contextlib.contextmanager
def io_thread(domain: Handle) -> Iterator[None]:
    """Thread 1, added while the domain runs; taken away again, so that the next case has it."""
    domain.addIOThread(1, LIVE)
    yield
    domain.delIOThread(1, LIVE)


def test_an_io_thread_can_be_added_while_it_runs(running: Handle) -> None:
    with io_thread(running):
        assert [thread[0] for thread in running.ioThreadInfo(LIVE)] == [1]


def test_an_io_thread_can_be_pinned(running: Handle) -> None:
    with io_thread(running):
        assert running.pinIOThread(1, (True,), LIVE) == 0


def test_the_polling_of_an_io_thread_can_be_set(running: Handle) -> None:
    with io_thread(running):
        assert running.setIOThreadParams(1, {"poll_max_ns": 1000}, LIVE) == 0


def test_cpu_models_of_an_architecture_are_told(connection: Handle) -> None:
    assert "qemu64" in connection.getCPUModelNames("x86_64")


def test_an_architecture_that_is_none_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_INTERNAL_ERROR):
        connection.getCPUModelNames("virtci")
