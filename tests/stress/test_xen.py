"""The lifecycle on the nested Xen host, compared with Xen's own list after each iteration."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.model import Access
from suites.stress.options import Options
from tests.stress.loop import loop

pytestmark = [pytest.mark.xen, pytest.mark.timeout(1500)]
GUEST = "/var/lib/virtci/guest"


def over_ssh(access: Access, *command: str) -> tuple[str, ...]:
    files = ("-i", access.key, "-o", f"UserKnownHostsFile={access.known_hosts}")
    options = ("-o", "BatchMode=yes", "-p", str(access.port))
    return ("ssh", *files, *options, f"{access.user}@{access.address}", *command)


def test_a_pv_guest_lives_reboots_and_goes_and_xen_agrees(xen_host: Access, tmp_path: Path) -> None:
    options = Options(
        connect=xen_host.uri,
        ledger=str(tmp_path / "ledger"),
        loops=2,
        guest_kernel=f"{GUEST}/vmlinux",
        guest_initrd=f"{GUEST}/initrd",
        hypervisor_list=over_ssh(xen_host, "xl", "list"),
        daemon_probe=over_ssh(xen_host, "pidof", "libvirtd"),
    )
    done = loop(options, seconds=1200)
    assert done.verdict.outcome == "PASS", done.said
    alive = [op for op in done.operations if op.op == "alive"]
    assert len({op.boot_id for op in alive}) == 4
    assert len({op.domain_id for op in alive}) == 4  # a reboot makes a new domain
    assert all(op.daemon_pid for op in alive)
