"""A nested Xen host comes up, is recognised, and goes away; what goes wrong is explained."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import msgspec
import pytest

from ci.codec import decode
from ci.deadline import Deadline, wait_until
from ci.errors import InfraError, UsageError
from ci.model import Access
from ci.nested import accel, boot, process
from ci.nested.boot import NestedHost
from ci.nested.image import Image
from ci.ssh_uri import ssh_argv
from tests.nested_host import HOST, booted, step_in

SECONDS = 60.0
NOT_A_BOOT = "00000000-0000-0000-0000-000000000000"


def ssh(access: Access, *command: str) -> str:
    argv = ssh_argv(access, *command)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout


def test_a_plan_that_leaves_guests_no_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves no room for guests"):
        decode({"memory_mib": 1024, "dom0_mib": 1024}, NestedHost, source="plan")


def test_what_it_would_do_is_told_without_doing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines = NestedHost(ssh_port=2222).decided()
    assert any("Xen 4.17" in line for line in lines)
    assert any("127.0.0.1:2222" in line for line in lines)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """An image whose hypervisor is not one: QEMU starts and ends at once, or never gets far."""
    image = Image(
        key="xen-0",
        name="xen",
        kernel="k",
        guest="g",
        host_key="ssh-ed25519 AAAA",
        uri="xen:///system",
        client_key=str(tmp_path / "key"),
        seconds=0.0,
        folder=str(tmp_path / "image"),
    )
    monkeypatch.setattr(boot, "build_image", lambda *_args, **_kw: image)
    monkeypatch.setattr(accel, "best", lambda *_args: "tcg")
    return image


@pytest.mark.real
def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path: Path, no_image: Image) -> None:
    image_of_nothing(Path(no_image.folder))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is taken") as caught:
            NestedHost(ssh_port=port).acquire(step_in(tmp_path))
    assert "any free port" in caught.value.hint
    assert not process.running(tmp_path / "hosts/qemu.pid")


@pytest.mark.real
def test_a_host_that_never_comes_up_is_ended_and_its_console_shown(
    tmp_path: Path, no_image: Image
) -> None:
    image_of_nothing(Path(no_image.folder))
    host = msgspec.structs.replace(HOST, boot_seconds=10)
    with pytest.raises(InfraError, match="did not come up") as caught:
        host.acquire(step_in(tmp_path))
    assert "console.log" in caught.value.hint
    assert not process.running(tmp_path / "hosts/qemu.pid")


def image_of_nothing(folder: Path) -> None:
    """A multiboot kernel that halts, and an empty disk."""
    folder.mkdir()
    header = (0x1BADB002, 0x00010000, (-0x1BADB002 - 0x00010000) % 2**32)
    address = 0x100000
    fields = (*header, address, address, address + 64, address + 64, address + 32)
    code = b"\xf4\xeb\xfd".ljust(64, b"\xf4")
    (folder / "xen").write_bytes(b"".join(f.to_bytes(4, "little") for f in fields) + code)
    for name in ("vmlinux", "initrd"):
        (folder / name).write_bytes(bytes(512))
    disk = str(folder / "disk.qcow2")
    subprocess.run(("qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"), check=True)


@pytest.mark.xen
def test_the_host_is_a_xen_whose_libvirt_answers_over_ssh(xen_host: Access) -> None:
    assert ssh(xen_host, "cat", "/proc/sys/kernel/random/boot_id").strip() == xen_host.boot_id
    assert ssh(xen_host, "cat", "/sys/hypervisor/type").strip() == "xen"
    done = subprocess.run(
        ("virsh", "-c", xen_host.uri, "list", "--all"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert "Domain-0" in done.stdout


@pytest.mark.xen
def test_it_is_still_up_and_another_boot_or_process_is_not_taken_for_it(xen_host: Access) -> None:
    def up(**changes: object) -> bool:
        known = msgspec.structs.replace(xen_host, **changes)
        return HOST.still_up(known, Deadline.after(SECONDS))

    assert up()
    assert not up(boot_id=NOT_A_BOOT)
    assert not up(pid=1)


@pytest.mark.xen
def test_a_host_with_another_key_is_not_talked_to(xen_host: Access, tmp_path: Path) -> None:
    changed = tmp_path / "known_hosts"
    other = Path(xen_host.key + ".pub").read_text().split()[1]
    changed.write_text(f"[127.0.0.1]:{xen_host.port} ssh-ed25519 {other}\n")
    access = msgspec.structs.replace(xen_host, known_hosts=str(changed))
    assert not HOST.still_up(access, Deadline.after(SECONDS))
    with pytest.raises(subprocess.CalledProcessError):
        ssh(access, "true")


@pytest.mark.xen
def test_restarted_daemons_are_new_and_answer(xen_host: Access) -> None:
    before = ssh(xen_host, "pidof", "libvirtd").split()
    told = ssh(xen_host, "/usr/lib/virtci/restart-daemons")
    after = ssh(xen_host, "pidof", "libvirtd").split()
    assert after != before
    assert f"libvirtd {after[0]}" in told.splitlines()


def process_of(host: Access, daemon: str) -> str:
    """Its number, or nothing; an answer in any case."""
    return ssh(host, f"pidof {daemon} || true").strip()


@pytest.mark.xen
@pytest.mark.parametrize("daemon", ["libvirtd", "virtlogd"])
def test_a_crash_leaves_a_core_and_a_fresh_daemon(xen_host: Access, daemon: str) -> None:
    ssh(xen_host, "rm -f /var/crash/core.*")
    before = process_of(xen_host, daemon)
    ssh(xen_host, "kill", "-SEGV", before)
    wait_until(
        f"a fresh {daemon}",
        lambda: process_of(xen_host, daemon) not in ("", before),
        Deadline.after(SECONDS),
    )
    ssh(xen_host, "/usr/lib/virtci/ready")
    assert f".{before}" in ssh(xen_host, "ls /var/crash; rm -f /var/crash/core.*")


@pytest.mark.xen
@pytest.mark.parametrize("daemon", ["oxenstored", "xenconsoled"])
def test_xens_own_daemons_may_leave_cores(xen_host: Access, daemon: str) -> None:
    limits = ssh(xen_host, f"cat /proc/$(pidof {daemon})/limits")
    (row,) = (line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert row[4] == "unlimited"


@pytest.mark.xen
def test_an_interrupted_runs_host_is_ended_before_another_is_booted(tmp_path: Path) -> None:
    with booted(tmp_path) as first:
        with booted(tmp_path) as second:
            assert second.boot_id != first.boot_id
            assert process.running(tmp_path / "hosts/qemu.pid") == (second.pid,)
            assert not HOST.still_up(first, Deadline.after(SECONDS))
        HOST.release(second, Deadline.after(SECONDS))
    assert process.running(tmp_path / "hosts/qemu.pid") == ()
