"""A real daemon of this machine that dies or stops under a command is blamed and named."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci.codec import from_json
from ci.deploy.localcores import look
from ci.errors import InfraError
from ci.journal import read
from ci.model import CaseResult, Outcome
from tests.libvirtd import Libvirtd, start_libvirtd
from tests.tck import stopping

pytestmark = pytest.mark.real
SECONDS = 120.0


@pytest.fixture
def daemon() -> Iterator[Libvirtd]:
    with start_libvirtd(respawn=True) as started:
        yield started


@contextmanager
def command(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """``virtci`` at work, until the block has waited for it."""
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            (sys.executable, "-m", "ci", *words, "--runs", str(folder)), stdout=out, stderr=out
        )
        try:
            yield process
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()


def cases(folder: Path) -> list[CaseResult]:
    """All that the ledgers below a folder of runs tell; of a case its last word."""
    found = {}
    for ledger in folder.glob("*/suites/*/*/ledger.jsonl"):
        for event in read(ledger):
            if event.what == "case":
                found[ledger, event.name] = from_json(event.data, CaseResult)
    return list(found.values())


def failed(folder: Path) -> list[CaseResult]:
    return [case for case in cases(folder) if case.outcome is Outcome.FAILED]


def wait_for_cases(
    folder: Path,
    count: int,
    process: subprocess.Popen[bytes],
    which: Callable[[Path], list[CaseResult]] = cases,
) -> None:
    until = time.monotonic() + SECONDS
    while len(which(folder)) < count:
        assert process.poll() is None, (folder / "out").read_text()
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_process_behind_a_socket_is_found(daemon: Libvirtd) -> None:
    here = look(daemon.uri)
    assert here.pid == daemon.pid
    assert daemon.folder in here.folders


def test_a_loops_daemon_that_is_killed_is_named_by_its_core(
    daemon: Libvirtd, tmp_path: Path
) -> None:
    uri = daemon.uri_of("test", "/default")
    with command(tmp_path, "stress", uri, "--time", "3s") as loop:
        wait_for_cases(tmp_path, 20, loop)
        pid = daemon.pid
        os.kill(pid, signal.SIGABRT)
    told = {case.suite: case for case in failed(tmp_path)}
    name = "libvirtd: SIGABRT from outside"
    assert told.keys() == {"stress.lifecycle", "stress-crashes"}, (tmp_path / "out").read_text()
    assert f"was process {pid}" in told["stress.lifecycle"].message
    assert f"[{name}]" in told["stress.lifecycle"].message
    assert any(f"core.libvirtd.{pid}" in file for file in told["stress-crashes"].files)
    assert any(file.endswith("reproduce.py") for file in told["stress-crashes"].files)
    assert name in (tmp_path / "out").read_text()


def test_a_conformance_case_in_which_the_daemon_dies_is_named_by_its_core(
    daemon: Libvirtd, tmp_path: Path
) -> None:
    uri = daemon.uri_of("test", "/default")
    with command(tmp_path, "tck", uri, "identity", "--workers", "1") as suite:
        wait_for_cases(tmp_path, 5, suite)
        os.kill(daemon.pid, signal.SIGSEGV)
    told = [case for case in failed(tmp_path) if "[libvirtd: SIGSEGV from outside]" in case.message]
    assert told, (tmp_path / "out").read_text()
    assert all("crashed the daemon" in case.message for case in told)
    script = reproducer(tmp_path)
    again = subprocess.run(
        (sys.executable, str(script), uri, "2"),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert "2 loops, and the daemon is alive" in again.stdout, script.read_text()


def reproducer(folder: Path) -> Path:
    """The script of the one crash of a conformance run."""
    (crash,) = [case for case in failed(folder) if case.suite == "tck-crashes"]
    (run,) = folder.glob("*-tck-*")
    (script,) = [run / file for file in crash.files if file.endswith("reproduce.py")]
    return script


def test_a_daemon_that_dies_between_two_cases_is_reproduced_by_the_case_before(
    daemon: Libvirtd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stopping.environment(daemon.pid, 3, signal.SIGSEGV).items():
        monkeypatch.setenv(name, value)
    uri = daemon.uri_of("test", "/default")
    with command(tmp_path, "tck", uri, "identity", "--workers", "1"):
        pass
    (told,) = [case for case in failed(tmp_path) if case.suite == "tck"]
    before = re.search(r"after virDomainUndefineFlags had returned in (\S+)", told.message)
    assert before, (tmp_path / "out").read_text()
    assert before[1] != told.name
    script = reproducer(tmp_path).read_text()
    assert f"The calls of {before[1]}, after which the daemon" in script
    assert "connection.defineXML(" in script


def told_of_stop(folder: Path) -> list[CaseResult]:
    return [case for case in failed(folder) if "is stopped: it was sent SIGSTOP" in case.detail]


def test_a_daemon_that_is_stopped_under_the_conformance_suite_is_a_named_hang(
    daemon: Libvirtd, tmp_path: Path
) -> None:
    uri = daemon.uri_of("test", "/default")
    words = ("tck", uri, "identity", "--patience", "0.1", "--workers", "1")
    with command(tmp_path, *words) as suite:
        wait_for_cases(tmp_path, 5, suite)
        pid = daemon.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for_cases(tmp_path, 1, suite, told_of_stop)
        finally:
            os.kill(pid, signal.SIGCONT)
    told = [c for c in failed(tmp_path) if "[libvirtd: SIGSTOP from outside]" in c.message]
    assert told, (tmp_path / "out").read_text()
    assert "did not return within" in told[0].message


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_between_two_cases_that_nobody_lifts_is_a_named_hang_and_ends(
    daemon: Libvirtd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    for name, value in stopping.environment(daemon.pid, 3).items():
        monkeypatch.setenv(name, value)
    uri = daemon.uri_of("test", "/default")
    words = ("tck", uri, "identity", "--patience", "0.1", "--workers", workers)
    with command(tmp_path, *words) as suite:
        pass
    os.kill(daemon.pid, signal.SIGCONT)
    out = (tmp_path / "out").read_text()
    assert suite.returncode == InfraError.exit_code, out
    hung = [case for case in told_of_stop(tmp_path) if case.name.startswith("identity/")]
    assert 1 <= len(hung) <= int(workers), out  # each worker finds it in one case
    assert any("virConnectOpen(name) did not return within 3 s" in case.message for case in hung)
    assert all("[libvirtd: SIGSTOP from outside]" in case.message for case in hung)
    broken = [case for case in cases(tmp_path) if case.outcome is Outcome.BROKEN]
    assert len(broken) > 20
    assert all("is stopped: it was sent SIGSTOP" in case.message for case in broken)


def test_a_daemon_that_was_stopped_before_the_suite_is_a_named_hang(
    daemon: Libvirtd, tmp_path: Path
) -> None:
    uri = daemon.uri_of("test", "/default")
    os.kill(daemon.pid, signal.SIGSTOP)
    with command(tmp_path, "tck", uri, "identity", "--patience", "0.1"):
        pass
    os.kill(daemon.pid, signal.SIGCONT)
    told = {case.suite: case for case in failed(tmp_path)}
    assert told.keys() == {"tck", "tck-crashes"}, (tmp_path / "out").read_text()
    assert told["tck"].name == "connection/start"
    assert "[libvirtd: SIGSTOP from outside]" in told["tck"].message
