"""What a libvirt of this machine leaves: its new cores are kept, those of others are not."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ci.deadline import Deadline
from ci.deploy import localcores
from ci.deploy.corekeeper import copy_sparse, keeping_cores
from ci.deploy.evidence import gather, mark
from ci.deploy.localcores import Here, socket_paths
from ci.model import Access
from suites.hypervisor.daemon import stopped
from tests.crash.crashing import build_daemon, core_of


def access(uri: str = "test:///default") -> Access:
    return Access(
        name="here", address="", port=0, user="", key="", known_hosts="", hypervisor="test",
        uri=uri, boot_id="b",
    )  # fmt: skip


@pytest.fixture
def crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that cores go to."""
    folder = tmp_path / "crashes"
    folder.mkdir()
    monkeypatch.setattr(localcores, "USUAL", (str(folder),))
    return folder


@pytest.mark.real
def test_only_new_cores_of_our_programs_are_kept_under_their_process(
    crashes: Path, tmp_path: Path
) -> None:
    daemon = build_daemon(tmp_path)
    core_of(daemon, "null", tmp_path / "a").rename(crashes / "core.old")
    mark(access(), tmp_path / "evidence", Deadline.after(60))
    core_of(daemon, "null", tmp_path / "b").rename(crashes / "core")
    other = tmp_path / "firefox"
    daemon.rename(other)
    core_of(other, "null", tmp_path / "c").rename(crashes / "core.1")
    (crashes / "core.link").symlink_to("/etc/shadow")
    gather(access(), tmp_path / "evidence", Deadline.after(60))
    (kept,) = (tmp_path / "evidence" / "cores").iterdir()
    assert kept.name.startswith("core.virtdaemon.")
    assert kept.name.endswith(".gz")
    assert (crashes / "core").exists()


@pytest.mark.real
def test_a_core_that_was_written_over_is_a_new_one(crashes: Path, tmp_path: Path) -> None:
    daemon = build_daemon(tmp_path)
    core_of(daemon, "null", tmp_path / "a").rename(crashes / "core")
    mark(access(), tmp_path / "evidence", Deadline.after(60))
    core_of(daemon, "fd", tmp_path / "b").replace(crashes / "core")
    gather(access(), tmp_path / "evidence", Deadline.after(60))
    assert len(list((tmp_path / "evidence" / "cores").iterdir())) == 1


@pytest.mark.real
def test_cores_that_take_each_others_place_are_all_kept(crashes: Path, tmp_path: Path) -> None:
    daemon, evidence = build_daemon(tmp_path), tmp_path / "evidence"
    mark(access(), evidence, Deadline.after(60))
    with keeping_cores(access(), evidence):
        for number in range(2):
            core_of(daemon, "null", tmp_path / str(number)).replace(crashes / "core")
            time.sleep(1.0)
    gather(access(), evidence, Deadline.after(60))
    assert len(list((evidence / "cores").iterdir())) == 2
    assert {path.name for path in evidence.iterdir()} >= {"cores", ".mark.json"}


def test_a_copy_keeps_data_and_holes(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    with source.open("wb") as file:
        for at, data in ((1 << 20, b"x" * 70_000), (5 << 20, b"y")):
            file.seek(at)
            file.write(data)
        file.truncate(8 << 20)
    copy_sparse(source, copy)
    assert copy.read_bytes() == source.read_bytes()
    assert copy.stat().st_blocks <= source.stat().st_blocks


def test_a_daemon_that_may_leave_no_core_is_told_how_it_may() -> None:
    assert "limit is 0" in Here(pid=7, limit="0").leaves_none
    assert Here(pid=7, limit="-1").leaves_none == Here(limit="0").leaves_none == ""


@pytest.mark.parametrize(
    ("uri", "first"),
    [
        ("test:///default", None),
        ("xen+ssh://root@host/system", None),
        ("test+unix:///default?socket=/tmp/x", "/tmp/x"),
        ("qemu:///system", "/run/libvirt/libvirt-sock"),
    ],
)
def test_a_uri_tells_where_its_daemon_listens(uri: str, first: str | None) -> None:
    paths = socket_paths(uri)
    assert (str(paths[0]) if paths else None) == first


@pytest.mark.real
def test_a_stopped_process_is_said_to_be_stopped() -> None:
    process = subprocess.Popen(("sleep", "60"))
    try:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert stopped(process.pid) == (
            f"process {process.pid} (sleep) is stopped: it was sent SIGSTOP\n"
        )
    finally:
        process.kill()
        process.wait()
