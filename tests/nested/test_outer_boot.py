"""A KVM host on an outer host: real libvirtd and sshd below it, a guest inside; nothing stays.

One boot for both: a nested host that another machine's libvirt runs, and ``qemu:///system`` with a
guest on the nested host's own KVM. (Emulation within emulation takes minutes.)
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.choose import health_of
from ci.deploy.pool import load_hosts
from ci.deploy.power import switch_power
from ci.deploy.ssh_errors import target_of
from ci.deploy.sshshell import SshShell
from ci.model import Access
from ci.nested.boot import NestedHost
from ci.pipelines.guest import GuestFiles
from ci.pipelines.target import target_of as suite_target
from ci.shell import LocalShell, must
from tests.nested.outer_host import OuterHost, an_outer_host
from tests.nested_host import LOADED_SECONDS, booted

pytestmark = [pytest.mark.real, pytest.mark.xen]
SECONDS = 60.0
CONSOLE = "/tmp/console.log"  # of the nested host
GUEST = f"""
<domain type="kvm"><name>virtci-test-guest</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
<os><type arch="x86_64" machine="q35">hvm</type><kernel>/var/lib/virtci/guest/vmlinuz</kernel>
<initrd>/var/lib/virtci/guest/initrd</initrd><cmdline>console=ttyS0 quiet</cmdline></os>
<features><acpi/></features><on_poweroff>destroy</on_poweroff>
<devices><serial type="file"><source path="{CONSOLE}"/></serial></devices></domain>
"""


def soon() -> Deadline:
    return Deadline.after(SECONDS)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OuterHost]:
    with an_outer_host(tmp_path_factory.mktemp("outer")) as host:
        yield host


@pytest.fixture(scope="module")
def nested(there: OuterHost) -> NestedHost:
    return NestedHost(
        name="far",
        hypervisor="kvm",
        outer=there.outer,
        minutes_to_live=20,
        boot_seconds=LOADED_SECONDS,
    )


@pytest.fixture(scope="module")
def access(
    nested: NestedHost, there: OuterHost, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Access]:
    with booted(tmp_path_factory.mktemp("run"), nested) as access:
        yield access
    assert not list((there.folder / "hosts").iterdir())
    assert "virtci" not in virsh(there.libvirtd.uri, "list", "--all", "--name")


def virsh(uri: str, *words: str) -> str:
    argv = ("virsh", "-q", "-c", uri, *words)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_reached_through_the_outer_host_alone(access: Access, nested: NestedHost) -> None:
    assert access.hypervisor == "qemu"
    assert nested.still_up(access, soon())
    probe = suite_target(access, GuestFiles(kernel="", initrd="")).daemon_probe
    done = subprocess.run(probe, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert len(done.stdout.split()) == 5
    assert "the host is up" in Path(access.console).read_text()


def test_it_is_a_host_of_its_own_hosts_file_with_a_power_switch(access: Access) -> None:
    [host] = load_hosts(Path(access.console).with_name("hosts.toml"))
    assert host.power is not None
    assert switch_power(LocalShell(), host.power, "status", soon()) == "running"
    health = health_of(host, soon())
    assert health.problems == ()
    assert health.facts["machine_id"] == host.machine_id


def test_a_guest_lives_in_it_under_its_own_libvirt(access: Access, tmp_path: Path) -> None:
    xml = tmp_path / "guest.xml"
    xml.write_text(GUEST)
    virsh(access.uri, "create", str(xml))
    with SshShell(target_of(access)) as shell:
        end = time.monotonic() + 4 * SECONDS
        text = ""
        while not re.search(r"virtci-guest beat=[2-9]", text):
            assert time.monotonic() < end, f"the guest shows no life:\n{text[-2000:]}"
            time.sleep(1)
            text = must(shell, ("cat", CONSOLE), soon())
    assert re.search(r"virtci-guest boot_id=\S+ kernel=\S+", text)
    virsh(access.uri, "destroy", "virtci-test-guest")
