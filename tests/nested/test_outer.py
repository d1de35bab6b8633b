"""What is decided about an outer host before anything runs there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import msgspec
import pytest

from ci.codec import decode
from ci.deploy.pool import load_hosts
from ci.deploy.power import LibvirtPower
from ci.errors import InfraError, UsageError
from ci.model import Access, Jump
from ci.nested.boot import NestedHost
from ci.nested.domain import Domain, domain_name, domain_uuid, domain_xml
from ci.nested.entry import local_power, write_entry
from ci.nested.outer import Outer
from ci.nested.outer_facts import OuterFacts, emulated, parse_facts, processor_for
from tests.nested.test_qemu import IMAGE, MACHINE

OUTER = Outer(uri="qemu+ssh://root@outer.example.org/system")
TOLD = "boot_id b-1\nnested kvm_amd 1\nconfined apparmor\nkvm yes\n"
DOMAIN = Domain(
    name="virtci-nested-x-1",
    title="a <b>",
    image=msgspec.structs.replace(IMAGE, folder="/there/images/a,b"),
    processor=emulated("xen", "no KVM"),
    memory_mib=1536,
    dom0_mib=768,
    cpus=2,
    port=22222,
    folder="/there/hosts/x",
)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"uri": "qemu:///system"}, "no libvirt of a host behind SSH"),
        ({"uri": "xen+ssh://root@o/system"}, "no libvirt of a host behind SSH"),
        ({"uri": "qemu+ssh://root@o/"}, "neither /system nor /session"),
        ({"uri": "qemu+ssh://o/system?keyfile=/k"}, '"keyfile" is not known here'),
        ({"uri": "qemu+ssh://o/session"}, "outer.folder is needed"),
        ({"uri": "qemu+ssh://o/system", "folder": "here"}, "no absolute path"),
    ],
)
def test_an_outer_host_that_cannot_be_meant_is_refused(table: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        decode({"outer": table}, NestedHost, source="plan")


def test_its_files_lie_relative_to_the_plan_and_its_libvirt_is_told_from_both_sides() -> None:
    uri = "qemu+ssh://me@outer:2200/system?socket=/run/own%20sock"
    outer = Outer(uri=uri, key="keys/o", known_hosts="known").located(Path("/plans"))
    jump = Jump(
        address="outer", port=2200, user="me", key="/plans/keys/o", known_hosts="/plans/known"
    )
    assert outer.jump == jump
    assert outer.local_uri == "qemu+unix:///system?socket=/run/own%20sock"
    assert OUTER.local_uri == "qemu:///system"
    query = parse_qs(urlsplit(outer.uri_through(Path("/runs/a b/ssh"))).query)
    assert query["command"] == ["/runs/a b/ssh"]
    assert query["socket"] == ["/run/own sock"]


def test_what_it_would_do_there_is_told_without_doing_it() -> None:
    lines = " ".join(NestedHost(outer=OUTER).decided())
    assert "outer.example.org:/var/lib/libvirt/images/virtci" in lines
    assert "host-passthrough" in lines


def test_kvm_is_used_where_it_is_there_and_hands_virtualisation_on() -> None:
    facts = parse_facts(TOLD, "outer")
    assert facts == OuterFacts(
        boot_id="b-1", kvm=True, module="kvm_amd", nested="1", confined=("apparmor",)
    )
    model = msgspec.structs.replace(OUTER, cpu="host-model")
    assert processor_for(facts, OUTER, "xen").mode == "host-passthrough"
    assert processor_for(facts, model, "kvm").mode == "host-model"
    assert processor_for(facts, model, "kvm").accelerator == "kvm"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("boot_id b\n", "its libvirt offers no KVM"),
        ("boot_id b\nnested kvm_intel N\nkvm yes\n", "kvm_intel/parameters/nested is N"),
        ("boot_id b\nkvm yes\n", "nested is not there"),
    ],
)
def test_else_it_is_emulated_and_a_sentence_says_why(told: str, said: str) -> None:
    processor = processor_for(parse_facts(told, "outer"), OUTER, "xen")
    assert (processor.accelerator, processor.mode) == ("tcg", "maximum")
    assert said in processor.why
    assert "emulated" in processor.why
    assert processor.without == ("smap", "rdtscp", "xsave")
    assert processor_for(parse_facts(told, "outer"), OUTER, "kvm").without == ()


def test_a_missing_program_or_a_silent_libvirt_is_the_labs_fault() -> None:
    with pytest.raises(InfraError, match="qemu-img is missing") as caught:
        parse_facts("missing qemu-img\nboot_id b\n", "outer")
    assert "apt-get install" in caught.value.hint
    with pytest.raises(InfraError, match="does not answer") as caught:
        parse_facts("boot_id b\nsilent error: failed to connect\nerror: no socket\n", "outer")
    assert "failed to connect" in caught.value.detail


def test_the_domain_has_a_name_of_its_run_its_own_disk_and_one_port_of_the_loopback() -> None:
    root = ElementTree.fromstring(domain_xml(DOMAIN))
    assert root.get("type") == "qemu"
    assert root.findtext("title") == "a <b>"
    assert root.findtext("uuid") == domain_uuid(DOMAIN.name)
    disk = root.find("devices/disk/source")
    log = root.find("devices/serial/log")
    assert disk is not None
    assert disk.get("file") == "/there/hosts/x/disk.qcow2"
    assert log is not None
    assert log.get("file") == "/there/hosts/x/console.log"
    words = [
        arg.get("value", "") for arg in root.iter("{http://libvirt.org/schemas/domain/qemu/1.0}arg")
    ]
    assert "/there/images/a,b/xen" in words
    assert any("restrict=on,hostfwd=tcp:127.0.0.1:22222-" in word for word in words)
    assert root.findall("seclabel") == []


def test_confinement_by_label_is_off_where_there_is_one_since_it_knows_none_of_our_files() -> None:
    facts = parse_facts(TOLD, "outer")
    domain = msgspec.structs.replace(
        DOMAIN, confined=facts.confined, processor=processor_for(facts, OUTER, "xen")
    )
    root = ElementTree.fromstring(domain_xml(domain))
    assert [label.attrib for label in root.findall("seclabel")] == [
        {"type": "none", "model": "apparmor"}
    ]
    assert root.get("type") == "kvm"


def test_names_differ_by_run_and_stay_the_same_for_one() -> None:
    first = domain_name("xen", Path("/runs/1/hosts/xen"))
    assert first.startswith("virtci-nested-xen-")
    assert first == domain_name("xen", Path("/runs/1/hosts/xen"))
    assert first != domain_name("xen", Path("/runs/2/hosts/xen"))


def test_a_host_that_is_up_is_an_entry_of_a_hosts_file(tmp_path: Path) -> None:
    access = Access(
        name="x", address="127.0.0.1", port=22222, user="root", key="/k", known_hosts="/h",
        hypervisor="qemu", uri="", boot_id="b", through=OUTER.jump,
    )  # fmt: skip
    power = LibvirtPower(uri="qemu+ssh://a?b=c", domain="d")
    write_entry(tmp_path, access, "id-1", power)
    [host] = load_hosts(tmp_path / "hosts.toml")
    assert (host.power, host.machine_id, host.port) == (power, "id-1", 22222)
    assert host.through is not None
    assert host.through.address == "outer.example.org"
    switch = local_power(MACHINE)
    write_entry(tmp_path, access, "id-1", switch)
    assert load_hosts(tmp_path / "hosts.toml")[0].power == switch
