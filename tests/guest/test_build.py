"""The tiny guest boots, says that it lives, and obeys the power button."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.guest.build import Guest, build_guest, concrete_package, guest_recipe
from ci.shell import Argv, Completed, LocalShell

SECONDS = 60.0
MARKER = re.compile(r"^virtci-guest boot_id=([0-9a-f-]{36}) ", re.MULTILINE)
BEAT = re.compile(r"^virtci-guest beat=(\d+) boot_id=([0-9a-f-]{36}) uptime=[\d.]+", re.MULTILINE)


def quiet(_: str) -> None:
    """Nobody listens."""


class FakeApt(LocalShell):
    def __init__(self, stdout: str, status: int = 0) -> None:
        self.stdout, self.status = stdout, status

    def run(self, argv: Argv, deadline: Deadline, **_: object) -> Completed:
        return Completed(argv, self.status, self.stdout, "", 0.0)


def test_the_package_with_the_kernel_is_read_from_apt() -> None:
    apt = FakeApt("linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n")
    found = concrete_package(apt, "linux-image-cloud-amd64", Deadline.after(5))
    assert found == "linux-image-6.1.0-56-cloud-amd64"


def test_a_machine_without_package_lists_is_told_to_update_them() -> None:
    with pytest.raises(InfraError, match="apt knows no package") as caught:
        concrete_package(FakeApt("", 100), "linux-image-cloud-amd64", Deadline.after(5))
    assert "apt-get update" in caught.value.hint


def test_the_init_forks_nothing_for_a_beat() -> None:
    loop = guest_recipe().init.rpartition("while :; do")[2]
    assert "sleep" not in loop
    assert "busybox" not in loop


@pytest.fixture(scope="module")
def guest() -> Guest:
    return build_guest(LocalShell(), Deadline.after(300), say=quiet)


@pytest.mark.real
def test_the_record_names_files_and_their_digests(guest: Guest) -> None:
    for name in ("kernel", "vmlinuz", "initrd"):
        data = Path(getattr(guest, name)).read_bytes()
        assert hashlib.sha256(data).hexdigest() == getattr(guest, f"{name}_sha256")
    assert Path(guest.kernel).read_bytes().startswith(b"\x7fELF")
    assert Path(guest.initrd).stat().st_size < 4 * 2**20


@contextmanager
def qemu(guest: Guest, folder: Path) -> Iterator[tuple[Path, socket.socket]]:
    """The guest under QEMU: its console's file and QEMU's monitor."""
    console, monitor = folder / "console", folder / "qmp"
    command = (
        *("timeout", "120", "qemu-system-x86_64", "-accel", "tcg", "-m", "128", "-nodefaults"),
        *("-display", "none", "-kernel", guest.kernel, "-initrd", guest.initrd),
        *("-append", "console=ttyS0 quiet", "-serial", f"file:{console}"),
        *("-qmp", f"unix:{monitor},server,nowait"),
    )
    with subprocess.Popen(command) as process, socket.socket(socket.AF_UNIX) as control:
        try:
            until(monitor.exists)
            control.settimeout(SECONDS)
            control.connect(str(monitor))
            ask(control, "qmp_capabilities")
            yield console, control
            process.wait(SECONDS)
        finally:
            process.terminate()


def ask(control: socket.socket, command: str) -> None:
    control.sendall(json.dumps({"execute": command}).encode() + b"\n")


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def text(console: Path) -> str:
    return console.read_text(errors="replace").replace("\r", "") if console.exists() else ""


@pytest.mark.real
def test_it_lives_reboots_with_a_new_boot_id_and_powers_off(guest: Guest, tmp_path: Path) -> None:
    with qemu(guest, tmp_path) as (console, control):
        until(lambda: len(BEAT.findall(text(console))) >= 2)
        [first] = MARKER.findall(text(console))
        assert [found[0] for found in BEAT.findall(text(console))][:2] == ["1", "2"]
        ask(control, "system_reset")
        until(lambda: len(MARKER.findall(text(console))) == 2)
        second = MARKER.findall(text(console))[1]
        assert second != first
        ask(control, "system_powerdown")
    assert "Power down" in text(console)
    assert {found[1] for found in BEAT.findall(text(console))} <= {first, second}
