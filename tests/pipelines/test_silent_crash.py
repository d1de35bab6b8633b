"""A daemon that dies while no call waits for it fails no case: its core makes the run red."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from ci.deadline import Deadline, wait_until
from ci.deploy.install import DeployPlan
from ci.deploy.poolhost import PoolHost
from ci.errors import ProductError
from ci.launch.target import SuiteEnd, Target
from ci.model import Outcome
from ci.pipelines.plan import Plan
from ci.report.loading import load
from ci.report.results import exit_code
from ci.run import Step
from tests.deploy.hosts import a_machine
from tests.libvirtd import Libvirtd, start_libvirtd
from tests.pipelines.fake_plan import FakeSuite
from tests.pipelines.test_local_crash import SECONDS, cases, command, failed, wait_for_cases
from tests.pipelines.test_main import go
from tests.pipelines.test_ssh_crash import Elsewhere, elsewhere
from tests.tck import killing

__all__ = ["elsewhere"]
pytestmark = pytest.mark.real
daemons: list[Libvirtd] = []


@pytest.fixture
def daemon() -> Iterator[Libvirtd]:
    with start_libvirtd(respawn=True) as started:
        yield started


def kill_virtlogd(daemon: Libvirtd) -> int:
    """Of a service that the test driver never asks; the dead process, its core written."""
    pid = int((daemon.folder / "run" / "virtlogd.pid").read_text())
    os.kill(pid, signal.SIGSEGV)
    gone = Path(f"/proc/{pid}")
    wait_until("the end of virtlogd", lambda: not gone.exists(), Deadline.after(SECONDS))
    return pid


def test_a_death_between_two_cases_that_nobody_saw_fails_the_suite(
    daemon: Libvirtd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = daemon.pid
    words = killing.environment(daemon.folder / "run" / "pid", signal.SIGSEGV, 5)
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    uri = daemon.uri_of("test", "/default")
    with command(tmp_path, "tck", uri, "identity", "--workers", "1") as suite:
        pass
    out = (tmp_path / "out").read_text()
    (crash,) = failed(tmp_path)
    assert (crash.suite, crash.name) == ("tck-crashes", "libvirtd: SIGSEGV from outside"), out
    assert suite.returncode == ProductError.exit_code, out
    assert f"core.libvirtd.{pid}.gz" in " ".join(crash.files)
    assert f"no case failed of it; process {pid} left its core at " in crash.detail
    assert "UTC, while identity/" in crash.detail  # its set-up had begun
    assert any(case.outcome is Outcome.PASSED for case in cases(tmp_path) if case.suite == "tck")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_daemon_that_ended_without_a_core_between_two_cases_fails_the_suite(
    daemon: Libvirtd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    pid = daemon.pid
    words = killing.environment(daemon.folder / "run" / "pid", number, 5)
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    uri = daemon.uri_of("test", "/default")
    with command(tmp_path, "tck", uri, "identity", "--workers", "1") as suite:
        pass
    out = (tmp_path / "out").read_text()
    (crash,) = failed(tmp_path)
    assert (crash.suite, crash.name) == ("tck-crashes", "libvirtd: ended without a core"), out
    assert (
        f"libvirtd (process {pid}) ended meanwhile and left no core; process {daemon.pid} answers"
        " now, which began at "
    ) in crash.detail
    assert suite.returncode == ProductError.exit_code, out


def test_a_loop_of_passes_beside_which_another_daemon_crashed_does_not_pass(
    daemon: Libvirtd, tmp_path: Path
) -> None:
    uri = daemon.uri_of("test", "/default")
    with command(tmp_path, "stress", uri, "--time", "3s") as loop:
        wait_for_cases(tmp_path, 5, loop)
        pid = kill_virtlogd(daemon)
    out = (tmp_path / "out").read_text()
    (crash,) = failed(tmp_path)
    assert (crash.suite, crash.name) == ("stress-crashes", "virtlogd: SIGSEGV from outside"), out
    assert f"no case failed of it; process {pid} left its core at " in crash.detail
    assert loop.returncode == ProductError.exit_code, out
    (run,) = tmp_path.glob("*-stress-*")
    verdicts = {suite.suite: suite.verdict for suite in load(run).suites}
    said = f"FAIL: crashed meanwhile: {crash.name}; the loop itself: PASS: 0/"
    assert verdicts["stress"].startswith(said), verdicts
    assert "FAILED (the product is to blame): " in out


def test_a_core_that_nobody_saw_comes_over_the_ssh_of_the_uri(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    with command(runs, "tck", elsewhere.uri(), "identity") as suite:
        wait_for_cases(runs, 5, suite)
        pid = kill_virtlogd(elsewhere.daemon)
    out = (runs / "out").read_text()
    (crash,) = failed(runs)
    assert (crash.suite, crash.name) == ("tck-crashes", "virtlogd: SIGSEGV from outside"), out
    assert any(f"core.virtlogd.{pid}" in file for file in crash.files)
    assert suite.returncode == ProductError.exit_code, out


def test_a_daemon_elsewhere_that_ended_without_a_core_fails_the_suite(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = elsewhere.daemon.folder / "run" / "pid"
    for name, value in killing.environment(pid_file, signal.SIGKILL, 5).items():
        monkeypatch.setenv(name, value)
    pid, runs = elsewhere.daemon.pid, tmp_path / "runs"
    runs.mkdir()
    with command(runs, "tck", elsewhere.uri(), "identity") as suite:
        pass
    out = (runs / "out").read_text()
    (crash,) = failed(runs)
    assert crash.name == "libvirtd: ended without a core", out
    assert f"(process {pid}) ended meanwhile and left no core; process " in crash.detail
    assert suite.returncode == ProductError.exit_code, out


class PassingSuite(FakeSuite, frozen=True, kw_only=True):
    """All its cases pass; meanwhile a daemon of its host dies, and is started again."""

    crash: str

    def run(self, step: Step, target: Target) -> SuiteEnd:
        pid = killing.kill_unseen(daemons[0].folder / "run" / "pid", signal.SIGSEGV)
        (daemons[0].folder / "core").rename(Path(self.crash, f"core.rpc-worker.{pid}"))
        return super().run(step, target)


def test_a_core_that_nobody_saw_fails_the_lane_of_its_host(
    daemon: Libvirtd, tmp_path: Path
) -> None:
    crash = tmp_path / "crash"
    crash.mkdir()
    Path("/var/crash").mkdir(exist_ok=True)
    daemons[:] = [daemon]
    suite = PassingSuite(
        calls=str(tmp_path / "calls"), name="one", cases=(("a", Outcome.PASSED),), crash=str(crash)
    )
    quiet = FakeSuite(calls=suite.calls, name="two", cases=suite.cases)
    with a_machine(tmp_path, "far", instead={"/var/crash": crash}) as machine:
        hosts = tmp_path / "hosts.toml"
        hosts.write_text(machine.entry())
        plan = Plan(
            hosts=(PoolHost(name="lane", file=str(hosts), wait_minutes=2),),
            deploy=DeployPlan(watch=()),
            suites=cast(Any, (suite, quiet)),
        )
        results = go(tmp_path / "run", plan)
    found = {one.suite: one for one in results.suites}
    assert found.keys() == {"one", "one-crashes", "two"}
    (told,) = found["one-crashes"].cases
    assert told.name == "libvirtd: SIGSEGV from outside"
    assert "no case failed of it; process " in told.detail
    assert exit_code(results) == ProductError.exit_code
