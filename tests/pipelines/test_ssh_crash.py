"""A daemon behind SSH that dies under a command is named by what the URI's SSH can fetch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from ci.model import Outcome
from ci.ssh_uri import write_ssh_command
from tests.libvirtd import Libvirtd, start_libvirtd
from tests.pipelines.test_local_crash import cases, command, failed, wait_for_cases
from tests.sshd import Sshd, running_sshd

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Elsewhere:
    """A daemon, and the sshd of the host that it seems to be on."""

    daemon: Libvirtd
    sshd: Sshd

    def uri(self, *, known_hosts: str = "known_hosts") -> str:
        ssh = write_ssh_command(
            self.sshd.folder,
            key=str(self.sshd.folder / "client"),
            known_hosts=str(self.sshd.folder / known_hosts),
        )
        query = {
            "socket": f"{self.daemon.folder}/run/libvirt-sock",
            "command": str(ssh),
            "no_tty": "1",
            "proxy": "netcat",
        }
        login = f"{self.sshd.user}@{self.sshd.address}:{self.sshd.port}"
        return f"test+ssh://{login}/default?{urlencode(query, quote_via=quote, safe='/')}"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    folder, run, crash = tmp_path / "sshd", tmp_path / "run", tmp_path / "crash"
    (run / "sshd").mkdir(parents=True)
    folder.mkdir()
    crash.mkdir()
    Path("/var/crash").mkdir(exist_ok=True)
    with start_libvirtd(respawn=True) as daemon:
        (run / "libvirtd.pid").symlink_to(daemon.folder / "run" / "pid")
        (daemon.folder / "log" / "libvirtd.log").write_text("what the daemon said\n")
        places = {"/run": run, "/var/log/libvirt": daemon.folder / "log", "/var/crash": crash}
        for sshd in running_sshd(folder, instead=places):
            yield Elsewhere(daemon, sshd)


@pytest.mark.parametrize(
    "words", [("stress", "--time", "6s"), ("tck", "identity")], ids=["stress", "tck"]
)
def test_the_core_and_the_logs_come_over_the_ssh_of_the_uri(
    elsewhere: Elsewhere, tmp_path: Path, words: tuple[str, ...]
) -> None:
    pid = elsewhere.daemon.pid
    runs = tmp_path / "runs"
    runs.mkdir()
    what, *more = words
    with command(runs, what, elsewhere.uri(), *more) as suite:
        wait_for_cases(runs, 5, suite)
        os.kill(pid, signal.SIGSEGV)
    out = (runs / "out").read_text()
    told = [case for case in failed(runs) if not case.suite.endswith("-crashes")]
    assert any("[libvirtd: SIGSEGV from outside]" in case.message for case in told), out
    (crash,) = [case for case in failed(runs) if case.suite == f"{what}-crashes"]
    assert any(f"core.libvirtd.{pid}" in file for file in crash.files)
    (log,) = runs.glob(f"*/evidence/test/{what}/var-log-libvirt/libvirtd.log")
    assert log.read_text() == "what the daemon said\n"
    assert (elsewhere.daemon.folder / "core").exists()  # nothing was changed there


def test_a_stop_elsewhere_that_nobody_lifts_is_a_named_hang_and_ends(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    with command(runs, "tck", elsewhere.uri(), "identity", "--patience", "0.2") as suite:
        wait_for_cases(runs, 5, suite)
        os.kill(elsewhere.daemon.pid, signal.SIGSTOP)
    os.kill(elsewhere.daemon.pid, signal.SIGCONT)
    out = (runs / "out").read_text()
    opening = [case for case in failed(runs) if case.message.startswith("virConnectOpen(name) ")]
    assert opening, out  # neither libvirt nor the ssh that it waits for keeps the process
    assert all("did not return within 6 s" in case.message for case in opening)
    assert all("[libvirtd: SIGSTOP from outside]" in case.message for case in opening), out
    assert any(case.outcome is Outcome.BROKEN for case in cases(runs)), out
