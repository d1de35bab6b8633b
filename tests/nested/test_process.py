"""Only a QEMU that was started with our pid file is ever ended."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.nested import process

SECONDS = 30.0


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A sleeping program with the name and arguments of a QEMU of ours."""
    code = "import time; time.sleep(60)"
    arguments = ("qemu-system-x86_64", "-c", code, "-pidfile", str(tmp_path / "qemu.pid"))
    child = subprocess.Popen(arguments, executable="/usr/bin/python3")
    deadline = time.monotonic() + SECONDS
    while not process.is_ours(child.pid, tmp_path / "qemu.pid"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield child
    child.kill()
    child.wait(SECONDS)


def test_ours_is_found_by_its_pid_file(stand_in: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert process.running(tmp_path / "qemu.pid") == (stand_in.pid,)
    assert process.running(tmp_path / "other.pid") == ()


def test_ours_is_ended_and_ending_it_twice_is_nothing(
    stand_in: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert process.end(tmp_path / "qemu.pid", Deadline.after(SECONDS)) == 1
    assert stand_in.wait(SECONDS) != 0
    assert process.end(tmp_path / "qemu.pid", Deadline.after(SECONDS)) == 0


def test_a_process_that_only_has_the_pid_is_not_ours(tmp_path: Path) -> None:
    assert not process.is_ours(os.getpid(), tmp_path / "qemu.pid")
    assert not process.is_ours(2**22 - 1, tmp_path / "qemu.pid")


def test_another_runs_qemu_is_left_alone(stand_in: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert process.end(tmp_path / "other" / "qemu.pid", Deadline.after(SECONDS)) == 0
    assert stand_in.poll() is None
