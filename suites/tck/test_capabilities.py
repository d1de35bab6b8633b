"""What the hypervisor says it can do."""

from __future__ import annotations

import uuid

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.domain_xml import platforms
from suites.hypervisor.handle import Handle
from suites.tck.lab import Lab
from suites.tck.verdict import refused


def test_they_are_xml(connection: Handle) -> None:
    assert fromstring(connection.getCapabilities()).tag == "capabilities"


def test_they_name_the_architecture_of_the_host(connection: Handle) -> None:
    named = fromstring(connection.getCapabilities()).findtext("host/cpu/arch")
    assert named == connection.getInfo()[0]


def test_they_name_a_guest_that_runs(connection: Handle) -> None:
    assert platforms(connection.getCapabilities())


def test_the_uuid_of_the_host_is_one(connection: Handle) -> None:
    text = fromstring(connection.getCapabilities()).findtext("host/uuid")
    if text is None:
        pytest.skip("these capabilities name no host UUID, which is optional")
    assert uuid.UUID(text)


def test_the_topology_counts_its_cells(connection: Handle) -> None:
    cells = fromstring(connection.getCapabilities()).find("host/topology/cells")
    if cells is None:
        pytest.skip("these capabilities name no topology, which is optional")
    assert int(cells.get("num", "0")) == len(cells.findall("cell"))


def test_every_cell_has_memory(connection: Handle) -> None:
    cells = fromstring(connection.getCapabilities()).findall("host/topology/cells/cell")
    assert all(int(cell.findtext("memory", "1")) > 0 for cell in cells)


def test_they_are_the_same_when_asked_again(connection: Handle) -> None:
    assert connection.getCapabilities() == connection.getCapabilities()


def test_domain_capabilities_are_xml(connection: Handle) -> None:
    xml = connection.getDomainCapabilities(None, None, None, None, 0)
    assert fromstring(xml).tag == "domainCapabilities"


def test_domain_capabilities_are_about_the_type_that_was_asked(
    lab: Lab, connection: Handle
) -> None:
    of = lab.platform
    xml = connection.getDomainCapabilities(None, of.arch, None, of.type, 0)
    assert fromstring(xml).findtext("domain") == of.type


def test_domain_capabilities_name_the_limit_of_vcpus(lab: Lab, connection: Handle) -> None:
    of = lab.platform
    xml = connection.getDomainCapabilities(None, of.arch, None, of.type, 0)
    vcpu = fromstring(xml).find("vcpu")
    assert vcpu is not None
    assert int(vcpu.get("max", "0")) >= 1


def test_domain_capabilities_name_disk_buses(lab: Lab, connection: Handle) -> None:
    of = lab.platform
    root = fromstring(connection.getDomainCapabilities(None, of.arch, None, of.type, 0))
    assert [v.text for v in root.findall("devices/disk/enum[@name='bus']/value")]


def test_an_architecture_that_is_none_has_no_domain_capabilities(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.getDomainCapabilities(None, "virtci", None, None, 0)


def test_an_emulator_that_is_none_has_no_domain_capabilities(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_SYSTEM_ERROR):
        connection.getDomainCapabilities("/virtci/nothing", None, None, None, 0)


def test_storage_pool_capabilities_name_pool_types(connection: Handle) -> None:
    root = fromstring(connection.getStoragePoolCapabilities(0))
    assert "dir" in [pool.get("type") for pool in root.findall("pool")]


def cpu(arch: str = "x86_64") -> str:
    return f"<cpu><arch>{arch}</arch><model>qemu64</model></cpu>"


def test_the_common_ground_of_two_processors_is_a_processor(connection: Handle) -> None:
    assert fromstring(connection.baselineCPU([cpu(), cpu()], 0)).tag == "cpu"


def test_there_is_no_common_ground_of_no_processors(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.baselineCPU([], 0)


def test_the_common_ground_of_what_is_no_processor_is_refused(connection: Handle) -> None:
    with refused(
        libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL, libvirt.VIR_ERR_CPU_INCOMPATIBLE
    ):
        connection.baselineCPU(["<disk/>"], 0)


def test_features_can_be_listed_in_full(connection: Handle) -> None:
    xml = connection.baselineCPU([cpu()], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES)
    assert fromstring(xml).findall("feature")


def test_the_processor_of_the_host_fits_itself(connection: Handle) -> None:
    host = fromstring(connection.getCapabilities()).find("host/cpu/model")
    if host is None:
        pytest.skip("these capabilities name no processor model of the host")
    fits = connection.compareCPU(f"<cpu match='exact'><model>{host.text}</model></cpu>", 0)
    assert fits in (libvirt.VIR_CPU_COMPARE_IDENTICAL, libvirt.VIR_CPU_COMPARE_SUPERSET)


def test_what_is_no_processor_cannot_be_compared(connection: Handle) -> None:
    with refused(
        libvirt.VIR_ERR_XML_ERROR,
        libvirt.VIR_ERR_XML_DETAIL,
        libvirt.VIR_ERR_CPU_INCOMPATIBLE,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    ):
        connection.compareCPU("<disk/>", 0)


def test_the_hypervisor_has_a_common_ground_of_its_own(connection: Handle) -> None:
    xml = connection.baselineHypervisorCPU(None, "x86_64", None, None, [cpu()], 0)
    assert fromstring(xml).tag == "cpu"


def test_the_hypervisor_compares_processors(connection: Handle) -> None:
    model = "<cpu match='minimum'><model>qemu64</model></cpu>"
    fits = connection.compareHypervisorCPU(None, None, None, None, model, 0)
    assert fits in (
        libvirt.VIR_CPU_COMPARE_INCOMPATIBLE,
        libvirt.VIR_CPU_COMPARE_IDENTICAL,
        libvirt.VIR_CPU_COMPARE_SUPERSET,
    )
