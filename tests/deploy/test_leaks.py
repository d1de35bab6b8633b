"""What a suite leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy.leaks import (
    Inventory,
    inventory,
    leaks,
    look_for_leaks,
    parse_inventory,
    take_inventory,
)
from ci.deploy.sshshell import SshShell
from ci.errors import ProductError
from ci.model import Access
from ci.run import Step
from ci.shell import LocalShell
from tests.sshd import Sshd

BEFORE = "domain\ta\nfile\t/var/lib/libvirt/x\nnoise of a tool\nxenstore\t/local/domain/0\n"


def test_what_came_and_what_went_is_told() -> None:
    before = parse_inventory(BEFORE)
    after = parse_inventory("domain\ta\ndomain\tb c\nxenstore\t/local/domain/0\n")
    found = leaks(before, after)
    assert found.left == ("domain: b c",)
    assert found.lost == ("file: /var/lib/libvirt/x",)


def test_what_is_known_to_stay_is_left_out() -> None:
    found = leaks(
        parse_inventory(""), parse_inventory("file\t/var/log/x\n"), ignore=("file: /var",)
    )
    assert found.left == ()


@pytest.mark.real
def test_a_leak_is_a_failure_of_its_own(shared_sshd: Sshd, tmp_path: Path) -> None:
    target = shared_sshd.target()
    access = Access(
        name="h1",
        address=target.address,
        port=target.port,
        user=target.user,
        key=target.key,
        known_hosts=target.known_hosts,
        hypervisor="test",
        uri="",
        boot_id="",
    )
    step = Step("leaks", LocalShell(), Deadline.after(60), tmp_path, tmp_path)
    now = take_inventory(step, access)
    before = Inventory(things=now.things | {"domain": ("test", "former")})
    with pytest.raises(ProductError, match="things on h1 are not as they were") as caught:
        look_for_leaks(step, access, before)
    assert "- domain: former" in caught.value.detail


@pytest.mark.real
def test_a_real_host_is_listed_and_a_file_that_stays_is_found(
    ssh: SshShell, tmp_path: Path
) -> None:
    folders = (str(tmp_path / "watched"), str(tmp_path / "missing"))
    (tmp_path / "watched").mkdir()
    before = inventory(ssh, "test:///default", Deadline.after(60), folders=folders)
    assert before.things["domain"] == ("test",)
    assert before.things["pool"] == ("default-pool",)
    (tmp_path / "watched" / "left over").touch()
    after = inventory(ssh, "test:///default", Deadline.after(60), folders=folders)
    ignore = ("process:", "interface", "network-device:", "loop:", "device-mapper:")
    assert leaks(before, after, ignore=ignore).left == (f"file: {tmp_path}/watched/left over",)
