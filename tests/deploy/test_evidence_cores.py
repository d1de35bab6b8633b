"""Cores of a host that takes long to pack them: the newest are had, and none is had by half."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import cast

import pytest

from ci.deadline import Deadline
from ci.deploy import evidence
from ci.deploy.sshshell import SshShell
from ci.deploy.transfer import HostShell, Limits
from ci.errors import InfraError
from tests.clock import FakeClock

pytestmark = pytest.mark.real
SLOW_GZIP = """#!/bin/sh
/bin/gzip "$@"
case "$*" in *core.2*) exec sleep 600 ;; esac
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cores lie there; nothing else is asked."""
    place = tmp_path / "crash"
    place.mkdir()
    for age, name in enumerate(("core.3", "core.2", "core.1")):
        (place / name).write_text(f"{name} is a core")
        os.utime(place / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(evidence, "CORES", {str(place): Limits()})
    monkeypatch.setattr(evidence, "TREES", {})
    monkeypatch.setattr(evidence, "QUESTIONS", {})
    return place


def gathered(ssh: SshShell, place: Path, seconds: float = 120.0) -> tuple[Path, str]:
    folder = place.parent / "evidence"
    folder.mkdir()
    found = evidence.gather_over(ssh, "test", folder, Deadline.after(seconds))
    return folder / str(place).strip("/").replace("/", "-"), "\n".join(found.missing)


class Dead:
    """A host that is gone: whatever is asked takes all its time. Notes how much that was."""

    def __init__(self) -> None:
        self.clock = FakeClock()

    def run(self, _argv: object, deadline: Deadline, **_: object) -> None:
        self.clock.sleep(deadline.remaining())
        raise InfraError("nobody answers")

    def get_tree(self, _remote: str, _local: Path, deadline: Deadline, **_: object) -> None:
        self.run((), deadline)


def test_a_host_that_is_gone_is_given_up_in_the_usual_time(tmp_path: Path) -> None:
    dead = Dead()
    began = dead.clock.monotonic()
    deadline = Deadline.after(300, dead.clock)
    found = evidence.gather_over(cast(HostShell, dead), "xen", tmp_path, deadline)
    assert dead.clock.monotonic() - began <= evidence.REST_SECONDS
    assert found.missing
    assert not found.files


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_cores_come_packed_and_keep_their_time(ssh: SshShell, place: Path) -> None:
    (place / "core.0.zst").write_text("packed by others")
    into, missing = gathered(ssh, place)
    assert not missing
    assert names(into) == {"core.0.zst", "core.1.gz", "core.2.gz", "core.3.gz"} == names(place)
    assert gzip.decompress((into / "core.2.gz").read_bytes()) == b"core.2 is a core"
    assert (place / "core.1.gz").stat().st_mtime == 1e9 - 2


def test_one_that_takes_too_long_is_had_as_it_is(
    ssh: SshShell, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "gzip"
    slow.parent.mkdir()
    slow.write_text(SLOW_GZIP)
    slow.chmod(0o755)
    monkeypatch.setattr(evidence, "_PACK", f"PATH={slow.parent}:$PATH\n{evidence._PACK}")
    monkeypatch.setattr(evidence, "CORE_SECONDS", 2.0)
    into, missing = gathered(ssh, place)
    assert "packing of cores: " in missing
    assert "did not end in time" in missing
    assert {"core.1.gz", "core.2", "core.3.gz"} <= names(into)
    assert "core.2.gz" not in names(place)
