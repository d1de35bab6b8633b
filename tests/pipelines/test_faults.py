"""Faults in the middle of a run: the right verdict, the host brought back, the rest run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from ci.codec import from_json, to_json
from ci.deadline import Deadline, wait_until
from ci.deploy import strikes
from ci.deploy.install import DeployPlan
from ci.deploy.lease import Leases
from ci.deploy.poolhost import PoolHost
from ci.deploy.recover import RUNG_SECONDS, Recovery
from ci.deploy.sshshell import SshShell
from ci.errors import VirtciError
from ci.journal import Event, Journal, read
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import CaseResult, Outcome, Record
from ci.pipelines.plan import LanesPlan, Plan
from ci.report.results import RunResults, exit_code
from ci.run import Step
from tests.cable import Cable, a_cable
from tests.deploy.hosts import FakeMachine, a_machine
from tests.pipelines.test_main import go

pytestmark = [pytest.mark.real, pytest.mark.faults]
PASSED, FAILED = Outcome.PASSED, Outcome.FAILED
ALL = {f"case-{n}": PASSED for n in range(4)}
LEASE_SECONDS = 20
strikers: dict[str, Callable[[str], None]] = {}
machines: dict[str, FakeMachine] = {}


class StruckSuite(Record, frozen=True, kw_only=True):
    """Four cases, each passed when the host answers; in the third the fault strikes, once."""

    folder: str
    fault: str
    name: str = "struck"
    seconds: int = 120

    def run(self, step: Step, target: Target) -> SuiteEnd:
        path = step.folder / "ledger.jsonl"
        done = {event.name for event in read(path)} if path.exists() else set()
        journal = Journal(path)
        for name in ALL:
            if name not in done:
                self._strike(name, target.host)
                journal.append(_case(name, target.host))
        journal.close()
        return suite_end(self.name, target, path, step.relative(path))

    def _strike(self, case: str, host: str) -> None:
        once = Path(self.folder, "struck")
        if case == "case-2" and not once.exists():
            once.touch()
            strikers[self.fault](host)


def _case(name: str, host: str) -> Event:
    result = CaseResult(
        suite="struck", name=name, outcome=PASSED if answers(host) else FAILED, host=host,
        message="the connection broke",
    )  # fmt: skip
    return Event(at=1.0, what="case", name=name, data=msgspec.Raw(to_json(result)))


def answers(host: str) -> bool:
    try:
        with SshShell(machines[host].sshd.target()) as shell:
            return shell.run(("true",), Deadline.after(4)).ok
    except VirtciError:
        return False


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNG_SECONDS, "wait", 4.0)
    monkeypatch.setattr("ci.deploy.recover.LOOK_SECONDS", 6.0)
    monkeypatch.setattr("ci.deploy.recover.EVIDENCE_SECONDS", 6.0)
    monkeypatch.setattr("ci.deploy.choose.SURVEY_SECONDS", 10.0)
    monkeypatch.setattr("ci.pipelines.recovery.HOLDER_SECONDS", 4.0)
    monkeypatch.setattr("ci.pipelines.witness.EVIDENCE_SECONDS", 6.0)
    monkeypatch.setattr("ci.deploy.evidence.REST_SECONDS", 6.0)
    for name in ("LOOK_SECONDS", "TIDY_SECONDS"):
        monkeypatch.setattr(f"ci.pipelines.lane.{name}", 6.0)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Path]:
    """A hosts file of ``far``, at the end of a cable, and ``near``; ``far`` is taken first."""
    with (
        a_cable() as cable,
        a_machine(tmp_path, "far", cable=cable) as far,
        a_machine(tmp_path, "near") as near,
    ):
        machines.update(far=far, near=near)
        cables[0:] = [cable]
        path = tmp_path / "hosts.toml"
        path.write_text(far.entry() + near.entry())
        yield path
        machines.clear()


cables: list[Cable] = []


def struck(pool: Path, fault: str, *, moves: int = 1, require: str = "") -> RunResults:
    folder = pool.parent
    host = PoolHost(
        name="lane", file=str(pool), lease_seconds=LEASE_SECONDS, wait_minutes=2, require=require
    )
    plan = Plan(
        hosts=(host,),
        deploy=DeployPlan(watch=()),
        suites=cast(Any, (StruckSuite(folder=str(folder), fault=fault),)),
        lanes=LanesPlan(moves=moves),
    )
    return go(folder / "run", plan)


def cases(results: RunResults) -> dict[str, Outcome]:
    return {case.name: case.outcome for suite in results.suites for case in suite.cases}


def hosts_of(results: RunResults) -> list[str]:
    return [case.host for suite in results.suites for case in suite.cases]


def recovery_in(folder: Path) -> Recovery:
    return from_json((folder / "recovery.json").read_bytes(), Recovery)


def test_a_host_whose_sshd_hangs_is_power_cycled_and_the_rest_is_run_there(pool: Path) -> None:
    """The power switch is a command of the user's; here it lets the frozen server go on."""
    far = machines["far"]
    strikers["freeze"] = lambda host: machines[host].sshd.freeze()
    script = pool.with_name("cycle.py")
    script.write_text(f"import os\nos.kill({far.sshd.process.pid}, 18)\n")
    power = f'[hosts.power]\nkind = "command"\ncycle = ["{sys.executable}", "{script}"]'
    pool.write_text(far.entry(more=power) + machines["near"].entry())
    results = struck(pool, "freeze", moves=0, require="far")
    assert cases(results) == ALL
    assert set(hosts_of(results)) == {"far"}
    assert [(s.name, s.blame) for s in results.failed_steps] == [("lost/lane/1", "lab")]
    assert exit_code(results) == 3
    recovery = recovery_in(pool.parent / "run/recover/lane/1")
    assert [rung.name for rung in recovery.rungs if rung.helped] == ["power-cycle"]
    assert (recovery.blame, recovery.healthy) == ("lab", True)
    assert _holder("far") is None, "the host was not given back"


def test_the_work_of_a_host_whose_network_is_cut_goes_to_another(pool: Path) -> None:
    strikers["cut"] = lambda _: cables[0].cut()
    results = struck(pool, "cut", require="far | near")
    assert cases(results) == ALL
    assert hosts_of(results) == ["far", "far", "near", "near"]
    blames = {step.name: step.blame for step in results.failed_steps}
    assert blames == {"lost/lane/1": "lab", "recover/lane/1": "lab"}
    assert exit_code(results) == 3
    evidence = pool.parent / "run/evidence/far/struck/missing.txt"
    assert "far" in evidence.read_text()
    assert _holder("near") is None


def test_a_host_whose_disk_is_full_is_left_aside_and_the_run_takes_another(
    pool: Path, small_disk: Path
) -> None:
    with a_machine(small_disk.parent.parent, small_disk.parent.name) as full:
        machines["full"] = full
        pool.write_text(full.entry() + pool.read_text())
        strikers["nothing"] = lambda _: None
        results = struck(pool, "nothing")
    assert cases(results) == ALL
    assert "full" not in hosts_of(results)
    assert exit_code(results) == 0
    (strike,) = strikes.standings(pool)["full"].strikes
    assert re.search(r"only \d+MiB of disk are free", strike.why)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Where a host keeps what is ours: three MiB."""
    folder = tmp_path / "small/full/state"
    folder.mkdir(parents=True)
    mount = ("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder))
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


SLOW = """\
[[hosts]]
kind = "pool"
file = "{file}"
name = "lane"
require = "near"
lease_seconds = 20
[deploy]
watch = []
[[suites]]
kind = "tap"
name = "slow"
commands = ["sh -c 'echo 1..1; test -e {flag} || sleep 100; echo ok 1 works'"]
"""


def test_a_run_that_is_killed_frees_its_host_for_the_next_and_is_gone_on_with(pool: Path) -> None:
    flag = pool.with_name("be-quick")
    plan = pool.with_name("slow.toml")
    plan.write_text(SLOW.format(file=pool, flag=flag))
    argv = (sys.executable, "-m", "ci", "run", str(plan), "--runs", str(pool.with_name("runs")))
    victim = subprocess.Popen((*argv, "--name", "victim"), stdout=subprocess.DEVNULL)
    begun = pool.with_name("runs") / "victim/suites/lane/slow/output.log"
    wait_until("the suite", begun.exists, Deadline.after(120))
    assert _holder("near") is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    flag.touch()
    next_one = subprocess.run(
        (*argv, "--name", "next"), check=False, capture_output=True, text=True
    )
    assert next_one.returncode == 0, next_one.stdout + next_one.stderr
    assert "held by" in next_one.stdout + next_one.stderr
    resumed = (*argv[:4], "--resume", "victim", *argv[5:])
    again = subprocess.run(resumed, check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _holder("near") is None


def _holder(name: str) -> object:
    with SshShell(machines[name].sshd.target()) as shell:
        return Leases(shell).holder(Deadline.after(20))
