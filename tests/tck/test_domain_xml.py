"""Domains as XML, for what a hypervisor says it runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.domain_xml import DomainXml, Platform, platforms, preferred

QEMU = """
<capabilities><host><cpu><arch>x86_64</arch></cpu></host>
<guest><os_type>hvm</os_type><arch name='i686'><domain type='qemu'/></arch></guest>
<guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/usr/bin/q</emulator>
<machine>pc-i440fx-7.2</machine><machine>pc</machine><machine>q35</machine>
<domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>
"""
XEN = """
<capabilities><host><cpu><arch>x86_64</arch></cpu></host>
<guest><os_type>xen</os_type><arch name='x86_64'><domain type='xen'/></arch></guest>
<guest><os_type>hvm</os_type><arch name='x86_64'><domain type='xen'/></arch></guest>
</capabilities>
"""
PLAIN = Platform(type="test", os="hvm", arch="i686")


def test_the_hosts_own_architecture_is_preferred() -> None:
    assert preferred(QEMU).arch == "x86_64"


def test_acceleration_is_preferred_and_can_be_declined() -> None:
    assert preferred(QEMU).type == "kvm"
    assert preferred(QEMU, accelerate=False).type == "qemu"


def test_emulator_and_machine_come_from_the_capabilities() -> None:
    found = preferred(QEMU)
    assert (found.emulator, found.machine) == ("/usr/bin/q", "pc")


def test_xen_guests_are_paravirtual_and_need_a_kernel() -> None:
    assert preferred(XEN).os == "xen"
    assert preferred(XEN).needs_kernel


def test_every_platform_is_found() -> None:
    assert len(platforms(QEMU)) == 3


def test_a_hypervisor_that_runs_nothing_is_an_error() -> None:
    with pytest.raises(LookupError, match="name no guest"):
        preferred("<capabilities><host/></capabilities>")


def test_names_are_escaped() -> None:
    xml = str(DomainXml(name="a<b>&'c\"", platform=PLAIN))
    assert fromstring(xml).findtext("name") == "a<b>&'c\""


def test_fewer_vcpus_than_the_maximum_are_said() -> None:
    vcpu = fromstring(str(DomainXml(name="x", platform=PLAIN, vcpus=2, max_vcpus=4))).find("vcpu")
    assert vcpu is not None
    assert (vcpu.text, vcpu.get("current")) == ("4", "2")


def test_devices_are_added_to_those_there_are() -> None:
    xml = DomainXml(name="x", platform=replace(PLAIN, type="qemu")).but(devices=("<disk/>",))
    devices = fromstring(str(xml)).find("devices")
    assert devices is not None
    assert [device.tag for device in devices] == ["console", "disk"]
