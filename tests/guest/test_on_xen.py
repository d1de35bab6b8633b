"""The tiny guest on the nested Xen host, through libvirt over SSH."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from ci.model import Access
from ci.ssh_uri import ssh_argv

NAME = "virtci-test-guest"
CONSOLE = f"/var/log/xen/console/guest-{NAME}.log"
SECONDS = 120.0
DOMAIN = f"""
<domain type="xen"><name>{NAME}</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
<os><type arch="x86_64" machine="xenpv">linux</type>
<kernel>/var/lib/virtci/guest/vmlinux</kernel><initrd>/var/lib/virtci/guest/initrd</initrd>
<cmdline>console=hvc0 quiet</cmdline></os>
<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
<devices><console type="pty"><target type="xen" port="0"/></console></devices></domain>
"""


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def virsh(xen_host: Access) -> Iterator[Callable[..., str]]:
    """virsh on the host; the guest of this test is gone afterwards."""

    def call(*words: str) -> str:
        return run("virsh", "-q", "-c", xen_host.uri, *words)

    yield call
    if NAME in call("list", "--name").split():
        call("destroy", NAME)


def lives(xen_host: Access, boots: int) -> list[str]:
    """The boot ids that the console shows, once there are ``boots`` and the last one beats."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        text = run(*ssh_argv(xen_host, f"cat {CONSOLE} 2>/dev/null || true"))
        ids = re.findall(r"virtci-guest boot_id=(\S+) kernel=\S+ hypervisor=xen", text)
        if len(ids) >= boots and re.search(rf"beat=\d+ boot_id={ids[-1]} ", text):
            return ids
        time.sleep(2)
    raise AssertionError(f"the guest shows no life:\n{text[-2000:]}")


@pytest.mark.xen
def test_a_pv_guest_lives_reboots_and_shuts_down(
    xen_host: Access, virsh: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    run(*ssh_argv(xen_host, f"rm -f {CONSOLE}"))
    xml = tmp_path_factory.mktemp("xml") / "guest.xml"
    xml.write_text(DOMAIN)
    virsh("create", str(xml))
    [first] = lives(xen_host, 1)
    virsh("reboot", NAME)
    again, second = lives(xen_host, 2)
    assert again == first
    assert second != first
    virsh("shutdown", NAME)
    deadline = time.monotonic() + SECONDS
    while NAME in virsh("list", "--name").split():
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert NAME not in run(*ssh_argv(xen_host, "xl", "list"))
