"""KVM is believed when a guest ran under it, and never otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.nested import accel
from ci.shell import Argv, Completed, LocalShell


class FakeQemu(LocalShell):
    """Answers every QEMU with one exit status and counts them."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[Argv] = []

    def run(self, argv: Argv, deadline: Deadline, **_: object) -> Completed:
        self.asked.append(argv)
        return Completed(argv, self.status, "", "", 0.0)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accel, "_DEVICE", device)


def soon() -> Deadline:
    return Deadline.after(30)


@pytest.mark.parametrize(("status", "expected"), [(33, True), (0, False), (1, False), (134, False)])
def test_only_the_status_that_the_guest_itself_gives_counts(status: int, expected: bool) -> None:  # noqa: FBT001 - a table
    assert accel.works(FakeQemu(status), soon()) is expected


def test_it_is_tried_once_per_boot_of_the_machine() -> None:
    qemu = FakeQemu(33)
    assert accel.works(qemu, soon())
    assert accel.works(qemu, soon())
    assert len(qemu.asked) == 1


def test_without_the_device_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "_DEVICE", Path("/nonexistent"))
    qemu = FakeQemu(33)
    assert not accel.works(qemu, soon())
    assert not qemu.asked


def test_kvm_that_could_not_boot_a_host_is_not_tried_again() -> None:
    qemu = FakeQemu(33)
    assert accel.best(qemu, soon()) == "kvm"
    accel.distrust_kvm()
    assert accel.best(qemu, soon()) == "tcg"


@pytest.mark.real
def test_the_few_instructions_do_what_they_should_under_emulation() -> None:
    assert accel.runs_under("tcg", LocalShell(), soon())
