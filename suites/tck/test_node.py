"""The machine under the hypervisor: processors, memory, cells, time, suspend."""

from __future__ import annotations

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.lab import Lab
from suites.tck.verdict import refused


def test_it_has_memory_and_processors(connection: Handle) -> None:
    _, kib, cpus, *_ = connection.getInfo()
    assert kib > 0
    assert cpus == connection.getCPUMap(0)[2], "those that are online"


def test_its_topology_makes_up_its_processors(connection: Handle) -> None:
    _, _, cpus, _, nodes, sockets, cores, threads = connection.getInfo()
    assert cpus <= nodes * sockets * cores * threads


def test_its_model_is_named(connection: Handle) -> None:
    architecture = fromstring(connection.getCapabilities()).findtext("host/cpu/arch")
    assert connection.getInfo()[0] == architecture


def test_its_processors_are_mapped(connection: Handle) -> None:
    total, online, count = connection.getCPUMap(0)
    assert len(online) == total
    assert sum(online) == count


def test_free_memory_is_told(connection: Handle) -> None:
    cells = connection.getCellsFreeMemory(0, connection.getInfo()[4])
    free = connection.getFreeMemory()
    assert free > 0
    assert abs(sum(cells) - free) < free / 4, "the cells do not make up the node"


def test_free_memory_is_less_than_all(connection: Handle) -> None:
    assert connection.getFreeMemory() <= connection.getInfo()[1] * 1024 * 1024


def test_the_free_memory_of_each_cell_is_told(connection: Handle) -> None:
    cells = connection.getCellsFreeMemory(0, connection.getInfo()[4])
    assert len(cells) == connection.getInfo()[4]
    assert all(free > 0 for free in cells)


def test_a_cell_that_is_not_there_has_no_free_memory(connection: Handle) -> None:
    with refused(
        libvirt.VIR_ERR_INTERNAL_ERROR,
        libvirt.VIR_ERR_INVALID_ARG,
        libvirt.VIR_ERR_OPERATION_FAILED,
    ):
        connection.getCellsFreeMemory(1000, 1)


def test_processor_time_is_told(connection: Handle) -> None:
    first = connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0)
    second = connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0)
    assert first.keys() == second.keys() >= {"kernel", "user", "idle"}
    assert all(first[name] <= second[name] for name in ("kernel", "user")), (first, second)


def test_the_time_of_one_processor_is_told(connection: Handle) -> None:
    one = connection.getCPUStats(0, 0)
    everything = connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0)
    assert 0 < one["user"] <= everything["user"]


def test_a_processor_that_is_not_there_has_no_time(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.getCPUStats(4000, 0)


def test_memory_statistics_are_told(connection: Handle) -> None:
    assert connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)["total"] > 0


def test_the_memory_statistics_of_a_cell_are_told(connection: Handle) -> None:
    assert connection.getMemoryStats(0, 0)["total"] > 0


def test_a_cell_that_is_not_there_has_no_statistics(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.getMemoryStats(4000, 0)


def test_memory_parameters_are_told(connection: Handle) -> None:
    told = connection.getMemoryParameters(0)
    assert "shm_pages_to_scan" in told
    assert all(name.startswith("shm_") and value >= 0 for name, value in told.items()), told


def test_memory_parameters_can_be_set_to_what_they_are(connection: Handle) -> None:
    now = connection.getMemoryParameters(0)
    writable = {name: now[name] for name in ("shm_pages_to_scan",) if name in now}
    if not writable:
        pytest.skip("this kernel merges no pages, so there is nothing to set")
    assert connection.setMemoryParameters(writable, 0) == 0


def test_free_pages_are_told_for_each_size(connection: Handle) -> None:
    assert connection.getFreePages([4], 0, 1)


def test_pages_of_a_size_that_is_none_are_refused(connection: Handle) -> None:
    with refused(
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_INVALID_ARG,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    ):
        connection.getFreePages([7], 0, 1)


def test_pages_can_be_allocated(lab: Lab, connection: Handle) -> None:
    if not lab.options.destructive:
        pytest.skip("pages of the node are only allocated with --destructive")
    flags = libvirt.VIR_NODE_ALLOC_PAGES_ADD
    assert connection.allocPages({2048: 1}, 0, 1, flags) == 1


def test_no_page_more_can_be_allocated(connection: Handle) -> None:
    flags = libvirt.VIR_NODE_ALLOC_PAGES_ADD
    before = connection.getFreePages([2048], 0, 1)
    assert connection.allocPages({2048: 0}, 0, 1, flags) == 1, "one cell was asked for nothing"
    assert connection.getFreePages([2048], 0, 1) == before


def test_the_security_model_is_told(connection: Handle) -> None:
    model = connection.getSecurityModel()[0]
    capabilities = fromstring(connection.getCapabilities())
    models = [text.text for text in capabilities.findall("host/secmodel/model")]
    assert model in ("", "none", *models[:1])


def test_a_suspend_too_short_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID):
        connection.suspendForDuration(libvirt.VIR_NODE_SUSPEND_TARGET_MEM, 1, 0)


def test_a_suspend_to_nowhere_is_refused(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID):
        connection.suspendForDuration(99, 60, 0)


def test_the_node_can_be_suspended(lab: Lab, connection: Handle) -> None:
    if not lab.options.destructive:
        pytest.skip("the node is only suspended with --destructive")
    assert connection.suspendForDuration(libvirt.VIR_NODE_SUSPEND_TARGET_MEM, 60, 0) == 0


def test_secure_virtualization_is_told(connection: Handle) -> None:
    assert connection.getSEVInfo(0)


def test_all_domains_give_statistics_at_once(connection: Handle, shared: Handle) -> None:
    found = {domain.name(): stats for domain, stats in connection.getAllDomainStats(0, 0)}
    assert found[shared.name()]["state.state"] == libvirt.VIR_DOMAIN_RUNNING


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (libvirt.VIR_DOMAIN_STATS_STATE, "state.state"),
        (libvirt.VIR_DOMAIN_STATS_CPU_TOTAL, "cpu.time"),
        (libvirt.VIR_DOMAIN_STATS_BALLOON, "balloon.maximum"),
        (libvirt.VIR_DOMAIN_STATS_VCPU, "vcpu.current"),
        (libvirt.VIR_DOMAIN_STATS_INTERFACE, "net.count"),
        (libvirt.VIR_DOMAIN_STATS_BLOCK, "block.count"),
        (libvirt.VIR_DOMAIN_STATS_IOTHREAD, "iothread.count"),
    ],
    ids=["state", "cpu", "balloon", "vcpu", "interface", "block", "iothread"],
)
def test_a_group_of_statistics_can_be_asked_for(
    connection: Handle, running: Handle, kind: int, field: str
) -> None:
    flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS
    if kind == libvirt.VIR_DOMAIN_STATS_IOTHREAD:
        running.addIOThread(1, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    stats = connection.domainListGetStats([running], kind, flags)[0][1]
    if field == "cpu.time" and not stats:
        pytest.skip("this host gives libvirt no cgroup to count processor time in")
    assert field in stats


def test_statistics_can_be_limited_to_inactive_domains(connection: Handle, defined: Handle) -> None:
    flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE
    found = {domain.name() for domain, _ in connection.getAllDomainStats(0, flags)}
    assert defined.name() in found
