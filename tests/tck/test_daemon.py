"""Where a daemon stands is told in bounded time, whoever else wants to know."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from suites.hypervisor import daemon as daemons
from suites.hypervisor.daemon import Daemon, RemoteDaemon, remote_backtrace, start_time, tracer

pytestmark = pytest.mark.real


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A process that does nothing."""
    with subprocess.Popen(("sleep", "600")) as sleeping:
        known = Daemon(sleeping.pid, start_time(sleeping.pid), os.pidfd_open(sleeping.pid))
        yield known
        known.close()
        sleeping.kill()


def test_one_that_another_debugger_holds_is_looked_at_after_it(daemon: Daemon) -> None:
    holding = ("gdb", "-batch", "-nx", "-p", str(daemon.pid), "-ex", "shell sleep 2")
    with subprocess.Popen(holding, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as gdb:
        while not tracer(daemon.pid):
            assert gdb.poll() is None
            time.sleep(0.01)
        assert "#0 " in daemon.backtrace()


def test_a_debugger_that_takes_too_long_is_not_waited_for(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "BACKTRACE_SECONDS", 0.0)
    os.kill(daemon.pid, signal.SIGSTOP)
    while not daemons.stopped(daemon.pid):
        time.sleep(0.01)
    said = daemon.backtrace()
    assert said.startswith(f"process {daemon.pid} (sleep) is stopped: it was sent SIGSTOP\n")
    assert f"no backtrace of process {daemon.pid}: no time left" in said


def test_a_stop_that_another_debugger_hides_is_told(daemon: Daemon) -> None:
    os.kill(daemon.pid, signal.SIGSTOP)
    while not daemons.stopped(daemon.pid):
        time.sleep(0.01)
    holding = ("gdb", "-batch", "-nx", "-p", str(daemon.pid), "-ex", "shell sleep 2")
    with subprocess.Popen(holding, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as gdb:
        while not tracer(daemon.pid):
            assert gdb.poll() is None
            time.sleep(0.01)
        said = daemon.backtrace()
    assert said.startswith(f"process {daemon.pid} (sleep) is stopped: it was sent SIGSTOP\n")
    assert "#0 " in said


def test_a_host_that_does_not_answer_leaves_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "REMOTE_SECONDS", 0.2)
    assert "did not end in time" in remote_backtrace(("sleep", "600"))


def test_a_host_that_does_not_answer_accuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "BACKTRACE_SECONDS", 0.2)
    assert RemoteDaemon(("sleep", "600"), "1 2").alive(wait_seconds=1.0)


def test_a_child_that_has_ended_hides_no_other() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, subprocess.Popen(("true",)) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        with subprocess.Popen(("cat",), stdin=theirs.fileno()) as talking:
            found = daemons.transports()
            assert talking.pid in found
            assert ended.pid not in found
            daemons.end_transports(found & {talking.pid})
            assert talking.wait(30) == -signal.SIGKILL


def test_a_new_socket_under_the_number_of_one_that_was_closed_is_new() -> None:
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    with theirs:
        before = daemons.open_sockets()
        ours.close()
        with socket.socket() as fresh:
            assert fresh.fileno() == number
            assert number in daemons.fresh_sockets(before)
            assert theirs.fileno() not in daemons.fresh_sockets(before)
