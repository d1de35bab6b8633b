"""A daemon that dies and a call that hangs are blamed on the call, and the suite goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.codec import from_json
from ci.journal import read
from ci.model import CaseResult, Outcome
from suites.hypervisor.api import CallHung, DaemonCrashed, Session
from suites.hypervisor.calls import CRASHED, HUNG, Recorder
from suites.hypervisor.watchdog import Watchdog
from suites.tck import argv
from tests.libvirtd import Libvirtd
from tests.tck.conftest import given_up

pytestmark = pytest.mark.real


@pytest.fixture
def session(respawning_libvirtd: Libvirtd) -> Iterator[Session]:
    made = Session(respawning_libvirtd.uri, Recorder(), Watchdog(given_up), patience=0.05)
    made.open()
    yield made
    made.close()


def test_the_daemon_behind_a_connection_is_known(
    session: Session, respawning_libvirtd: Libvirtd
) -> None:
    assert session.daemon is not None
    assert session.daemon.pid == respawning_libvirtd.pid


def test_a_call_in_which_the_daemon_dies_is_blamed(session: Session) -> None:
    assert session.daemon is not None
    pid = int(session.daemon.pid)
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(DaemonCrashed, match=r"virNodeGetInfo\(\) crashed the daemon"):
        session.connection.getInfo()
    assert [t.outcome for t in session.recorder.take() if t.function == "virNodeGetInfo"] == [
        CRASHED
    ]


def test_a_death_after_a_call_is_blamed_on_it_although_the_daemon_is_back(
    session: Session, respawning_libvirtd: Libvirtd
) -> None:
    before = respawning_libvirtd.pid
    session.connection.getInfo()
    os.kill(before, signal.SIGKILL)
    until = time.monotonic() + 30
    while respawning_libvirtd.pid == before:
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(DaemonCrashed, match="after virNodeGetInfo had returned"):
        session.connection.getHostname()


def test_a_call_that_hangs_is_ended_with_a_backtrace_of_the_daemon(session: Session) -> None:
    assert session.daemon is not None
    pid = int(session.daemon.pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(CallHung, match=r"virNodeGetInfo\(\) did not return") as hung:
            session.connection.getInfo()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "Thread 1" in hung.value.detail
    assert HUNG in {tally.outcome for tally in session.recorder.take()}


def test_a_hang_of_one_connection_leaves_a_new_one_usable(session: Session) -> None:
    test_a_call_that_hangs_is_ended_with_a_backtrace_of_the_daemon(session)
    session.close()
    assert session.open().getInfo()


def test_a_connection_that_hangs_while_it_is_opened_is_ended_with_a_backtrace(
    session: Session, respawning_libvirtd: Libvirtd
) -> None:
    session.close()
    pid = respawning_libvirtd.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(CallHung, match=r"virConnectOpen\(name\) did not return") as hung:
            session.open()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert f"process {pid} (libvirtd) is stopped" in hung.value.detail
    assert "Thread 1" in hung.value.detail
    assert session.hung_on == pid
    assert session.open().getInfo()
    assert session.hung_on == 0


def cases(ledger: Path) -> list[CaseResult]:
    if not ledger.exists():
        return []
    return [from_json(event.data, CaseResult) for event in read(ledger) if event.what == "case"]


def test_a_daemon_killed_in_the_middle_costs_one_case_and_the_rest_is_finished(
    respawning_libvirtd: Libvirtd, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    areas = ("identity", "lifecycle", "memory", "vcpus", "storage")
    command = argv(respawning_libvirtd.uri_of("test", "/default"), ledger, areas)
    with (tmp_path / "out").open("wb") as out:
        suite = subprocess.Popen(command, stdout=out, stderr=out)
        while len(cases(ledger)) < 5:
            assert suite.poll() is None, (tmp_path / "out").read_text()
            time.sleep(0.01)
        os.kill(respawning_libvirtd.pid, signal.SIGKILL)
        suite.wait(120)
    crashed = [case for case in cases(ledger) if case.properties.get("verdict") == "crashed"]
    assert len(crashed) == 1, (tmp_path / "out").read_text()
    assert "crashed the daemon" in crashed[0].message
    assert crashed[0].message.startswith("vir") or "after vir" in crashed[0].message
    collected = subprocess.run(
        (*command[: command.index("--ledger")], "--collect-only"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{len(cases(ledger))} tests collected" in collected.stdout
    assert all(case.outcome is not Outcome.BROKEN for case in cases(ledger))
