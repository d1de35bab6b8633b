"""A daemon that dies or hangs during a loop is blamed on the call it happened in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from ci.codec import from_json
from ci.crash import explain
from ci.crash.attribution import Fate, blame, loss_meaning
from ci.deadline import Deadline, wait_until
from ci.journal import read
from ci.model import CaseResult, Outcome
from tests.crash.ledgers import write_ledger
from tests.libvirtd import Libvirtd, start_libvirtd

ABORTED = "createXML: End of file while reading data: Input/output error"
SECONDS = 120.0


def test_the_texts_of_libvirts_client_are_known() -> None:
    assert loss_meaning(ABORTED) == "closed the connection"
    assert loss_meaning("Cannot recv data: Connection reset by peer").startswith("was killed")
    assert loss_meaning("internal error: client socket is closed") != ""
    assert loss_meaning("Domain not found: no domain with matching name 'a'") == ""


def test_a_death_is_blamed_on_its_call_and_the_return_is_timed(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, iterations=6, deaths={3: "create"}, message=ABORTED)
    (one,) = blame(ledger)
    assert (one.fate, one.call, one.op, one.iteration) == (Fate.DIED, "createXML", "create", 3)
    assert (one.pid_before, one.pid_after) == (40, 41)
    assert one.seconds_away == pytest.approx(2.5)
    assert one.sentence() == (
        "iteration 3: during createXML in create of virtci-stress-0 the daemon (process 40)"
        " closed the connection, 0.50 s into the call; process 41 answered 2.5 s later"
    )


def test_a_hang_is_told_from_a_death(tmp_path: Path) -> None:
    message = "shutdown did not return within 60 s and was ended from outside"
    ledger = write_ledger(tmp_path, iterations=2, deaths={1: "shutdown"}, message=message)
    assert [one.fate for one in blame(ledger)] == [Fate.HUNG]


def test_a_daemon_that_stays_away_is_said_to(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, iterations=1, deaths={1: "create"}, message="ended: " + ABORTED)
    lines = ledger.read_text().splitlines()[:-1]
    ledger.write_text("\n".join(lines) + "\n")
    assert blame(ledger)[0].sentence().endswith("it did not come back while the loop ran")


def test_a_case_that_is_told_again_with_its_cause_is_no_other_death(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, iterations=4, deaths={2: "reboot"}, message=ABORTED)
    once = blame(ledger)
    (case,) = [e for e in read(ledger) if e.name == "iteration-000002"]
    with ledger.open("ab") as file:
        file.write(msgspec.json.encode(case) + b"\n")
    assert blame(ledger) == once


def test_an_ordinary_failure_blames_no_daemon(tmp_path: Path) -> None:
    assert blame(write_ledger(tmp_path, iterations=3, deaths={2: "alive"}, message="no boot")) == ()


@contextmanager
def looping(daemon: Libvirtd, ledger: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The stress suite on the test driver behind a real daemon, until the block ends."""
    uri = daemon.uri_of("test", "/default")
    argv = ("-m", "suites.stress", "--connect", uri, "--ledger", str(ledger), "--call-seconds", "5")
    process = subprocess.Popen((sys.executable, *argv, "--time", "100", "-n", "1000000"))
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()


def failed(ledger: Path) -> list[CaseResult]:
    cases = [from_json(event.data, CaseResult) for event in read(ledger) if event.what == "case"]
    return [case for case in cases if case.outcome is Outcome.FAILED]


def iterations(ledger: Path) -> int:
    return sum(event.what == "case" for event in read(ledger)) if ledger.exists() else 0


def goes_on(ledger: Path) -> None:
    """Wait until ten more iterations are done."""
    before = iterations(ledger)
    wait_until("the loop", lambda: iterations(ledger) > before + 10, Deadline.after(SECONDS))


@pytest.mark.real
def test_a_real_daemon_killed_in_a_loop_is_blamed_and_its_core_named(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with start_libvirtd(respawn=True) as daemon, looping(daemon, ledger):
        for kill in (signal.SIGSEGV, signal.SIGABRT):
            goes_on(ledger)
            before = daemon.pid
            os.kill(before, kill)
            wait_until("another", lambda b=before: _new(daemon, b), Deadline.after(SECONDS))  # type: ignore[misc]
            (report,) = explain(daemon.folder, None, Deadline.after(SECONDS))
            assert report.signature == f"libvirtd: {kill.name} from outside"
            assert report.backtrace
            for file in (*report.files, report.backtrace):  # the next core has the same name
                (daemon.folder / file).unlink(missing_ok=True)
        goes_on(ledger)
    deaths = blame(ledger)
    assert [one.fate for one in deaths] == [Fate.DIED, Fate.DIED]
    assert all(one.pid_after not in (0, one.pid_before) for one in deaths)


def _new(daemon: Libvirtd, before: int) -> bool:
    try:
        return daemon.pid != before
    except (OSError, ValueError):
        return False


@pytest.mark.real
def test_a_real_daemon_that_is_stopped_is_a_hang(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with start_libvirtd() as daemon, looping(daemon, ledger):
        goes_on(ledger)
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            wait_until("the case", lambda: bool(failed(ledger)), Deadline.after(SECONDS))
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
    assert blame(ledger)[0].fate is Fate.HUNG
    # the recovery hung, too: what it was for is not lost
    (case,) = failed(ledger)[:1]
    assert case.message.count("did not return within") == 2
    assert "is stopped: it was sent SIGSTOP" in case.detail


def test_a_death_while_the_host_was_checked_is_blamed_too(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, iterations=3, deaths={2: "shutdown"}, message="lost")
    text = ledger.read_text().replace('"lost', '"listAllDomains: End of file while reading data')
    told = r'"listAllDomains: End of file while reading data"(?=(,[\d.]+)?\])'  # by an operation
    ledger.write_text(re.sub(told, '""', text))
    (one,) = blame(ledger)
    assert (one.op, one.call, one.iteration, one.pid_after) == ("check", "listAllDomains", 2, 41)
