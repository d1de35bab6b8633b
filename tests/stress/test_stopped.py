"""A daemon that answers nobody ends a loop in bounded time, with what it was found at."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ci.model import Outcome
from suites.stress import connection as connections
from suites.stress.connection import Connection
from suites.stress.guard import CallHung, Guard
from suites.stress.options import Options
from tests.libvirtd import Libvirtd
from tests.stress.loop import Looped, loop
from tests.stress.test_guard import Recorder

pytestmark = pytest.mark.real
STOPPED = "process {} (libvirtd) is stopped: it was sent SIGSTOP"


def on_stopped(daemon: Libvirtd, folder: Path, **changed: object) -> Looped:
    """A loop whose daemon was stopped before it."""
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        return loop(_options(daemon, folder, **changed))
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


def _options(daemon: Libvirtd, folder: Path, **changed: object) -> Options:
    uri = daemon.uri_of("test", "/default")
    base = {"connect": uri, "ledger": str(folder / "ledger"), "loops": 3, "call_seconds": 3.0}
    return Options(**(base | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("guests", [1, 2])
def test_a_connection_that_cannot_be_opened_is_a_case_with_the_daemons_stacks(
    respawning_libvirtd: Libvirtd, tmp_path: Path, guests: int
) -> None:
    done = on_stopped(respawning_libvirtd, tmp_path, guests=guests)
    start, aim = done.cases
    assert (start.name, start.outcome) == ("start", Outcome.FAILED)
    assert start.message.startswith("virConnectOpen did not return within 3 s")
    assert STOPPED.format(respawning_libvirtd.pid) in start.detail
    assert "Thread 1" in start.detail
    assert (aim.name, aim.outcome) == ("aim", Outcome.BROKEN)
    assert start.message in aim.message


def test_a_loop_that_could_not_start_is_gone_on_with_and_its_start_forgiven(
    respawning_libvirtd: Libvirtd, tmp_path: Path
) -> None:
    on_stopped(respawning_libvirtd, tmp_path)
    done = loop(_options(respawning_libvirtd, tmp_path, call_seconds=60.0))
    last = {case.name: case.outcome for case in done.cases}
    assert last["start"] is Outcome.PASSED
    assert set(last.values()) == {Outcome.PASSED}


def test_a_stop_while_nothing_is_connected_fails_the_iteration_and_ends_the_loop(
    respawning_libvirtd: Libvirtd, tmp_path: Path
) -> None:
    file = tmp_path / "scenario.py"
    file.write_text(
        "import os, signal\n"
        "def mine(play):\n"
        "    play('create')\n"
        "    play.guest.host.connection.close()\n"
        f"    os.kill({respawning_libvirtd.pid}, signal.SIGSTOP)\n"
        "    play.guest.host.open()\n"
    )
    options = _options(respawning_libvirtd, tmp_path, scenario=f"{file}:mine")
    try:
        done = loop(options)
    finally:
        os.kill(respawning_libvirtd.pid, signal.SIGCONT)
    (case,) = done.cases
    assert case.message.startswith("virConnectOpen did not return within 3 s")
    assert STOPPED.format(respawning_libvirtd.pid) in case.detail
    assert done.verdict.outcome == "FAIL"


def test_a_daemon_that_leaves_keepalive_unanswered_hangs_and_is_not_dead(
    respawning_libvirtd: Libvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "KEEPALIVE_EVERY", 1)
    monkeypatch.setattr(connections, "KEEPALIVE_COUNT", 2)
    uri = respawning_libvirtd.uri_of("test", "/default")
    opened = Connection(uri, Guard(Recorder()), lambda *_: None, call_seconds=30)
    opened.open()
    os.kill(respawning_libvirtd.pid, signal.SIGSTOP)
    try:
        with pytest.raises(CallHung, match="the connection broke while waiting for a miracle") as e:
            opened.wait("a miracle", lambda: False, 60)
    finally:
        os.kill(respawning_libvirtd.pid, signal.SIGCONT)
        opened.close()
    assert e.value.message.startswith("keepalive did not return within 2 s")
    assert STOPPED.format(respawning_libvirtd.pid) in e.value.detail


def test_what_hung_the_recovery_is_kept_where_the_failure_itself_showed_nothing(
    respawning_libvirtd: Libvirtd, tmp_path: Path
) -> None:
    file = tmp_path / "scenario.py"
    file.write_text(
        "import os, signal\n"
        "from suites.stress.connection import DaemonDied\n"
        "def mine(play):\n"
        "    play('create')\n"
        f"    os.kill({respawning_libvirtd.pid}, signal.SIGSTOP)\n"
        "    raise DaemonDied('the connection broke')\n"
    )
    try:
        done = loop(_options(respawning_libvirtd, tmp_path, scenario=f"{file}:mine"))
    finally:
        os.kill(respawning_libvirtd.pid, signal.SIGCONT)
    (case,) = done.cases
    assert case.message.startswith("the connection broke; the host could not be cleaned up: vir")
    assert STOPPED.format(respawning_libvirtd.pid) in case.detail
