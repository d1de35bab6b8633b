"""A real libvirtd that stops answering in the middle of a run: the product's, and put right."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from ci.codec import to_json
from ci.deadline import Deadline
from ci.deploy import recover
from ci.deploy.install import DeployPlan
from ci.deploy.poolhost import PoolHost
from ci.deploy.sshshell import SshShell
from ci.errors import VirtciError
from ci.journal import Event, Journal
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import CaseResult, Outcome, Record
from ci.pipelines.plan import Plan
from ci.report.results import exit_code
from ci.run import Step
from tests.deploy.hosts import FakeMachine, a_machine
from tests.libvirtd import Libvirtd, respawning_libvirtd
from tests.pipelines.test_faults import cases, impatience, recovery_in
from tests.pipelines.test_main import go

__all__ = ["impatience", "respawning_libvirtd"]
pytestmark = [pytest.mark.real, pytest.mark.faults]
PATIENCE = 6.0  # seconds
PASSED, FAILED = Outcome.PASSED, Outcome.FAILED
ASK = ("virsh", "-c", "qemu:///system", "list", "--all")
RESTART = """\
pid=$(cat /run/libvirt/pid); kill -9 $pid
until [ "$(cat /run/libvirt/pid)" != $pid ] && timeout 5 virsh -c qemu:///system uri; do
    sleep 0.2
done
"""
there: list[FakeMachine] = []
daemons: list[Libvirtd] = []


class AskingSuite(Record, frozen=True, kw_only=True):
    """Four cases, each passed when libvirt of the host answers; it may be stopped in the third."""

    name: str
    stops: bool = False
    seconds: int = 120

    def run(self, step: Step, target: Target) -> SuiteEnd:
        path = step.folder / "ledger.jsonl"
        journal = Journal(path)
        for number in range(4):
            if self.stops and number == 2:
                os.kill(daemons[0].pid, signal.SIGSTOP)
            case = CaseResult(
                suite=self.name, name=f"{self.name}-{number}", host=target.host,
                outcome=PASSED if _answers() else FAILED, message="libvirt does not answer",
            )  # fmt: skip
            data = msgspec.Raw(to_json(case))
            journal.append(Event(at=1.0, what="case", name=case.name, data=data))
        journal.close()
        return suite_end(self.name, target, path, step.relative(path))


def _answers() -> bool:
    try:
        with SshShell(there[0].sshd.target()) as shell:
            return shell.run(ASK, Deadline.after(PATIENCE)).ok
    except VirtciError:
        return False


@pytest.fixture
def pool(
    tmp_path: Path, respawning_libvirtd: Libvirtd, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A machine whose libvirt is a real one of the test's own, brought back by a script."""
    script = tmp_path / "restart"
    script.write_text(RESTART)
    climbed = {name: recover.RUNGS[name] for name in ("restart-daemons", "destroy-leftovers")}
    monkeypatch.setattr(recover, "RUNGS", climbed)  # nothing here may boot this very machine
    monkeypatch.setattr(recover, "restart_commands", lambda *_: (("sh", str(script)),))
    # a stopped daemon never answers; one that lives must not be called silent on a busy machine
    monkeypatch.setattr("ci.pipelines.elsewhere.ANSWER_SECONDS", PATIENCE)
    monkeypatch.setattr("ci.deploy.health.DAEMON_SECONDS", PATIENCE)
    for name in ("ci.deploy.recover.LOOK_SECONDS", "ci.pipelines.lane.LOOK_SECONDS"):
        monkeypatch.setattr(name, 3 * PATIENCE)
    Path("/run/libvirt").mkdir(exist_ok=True)
    instead = {"/run/libvirt": respawning_libvirtd.folder / "run"}
    with a_machine(tmp_path, "one", instead=instead) as machine:
        there[:], daemons[:] = [machine], [respawning_libvirtd]
        path = tmp_path / "hosts.toml"
        path.write_text(machine.entry(hypervisor="qemu"))
        yield path


def test_a_wedged_daemon_is_the_products_and_the_rest_of_the_run_is_finished(pool: Path) -> None:
    suites = (AskingSuite(name="first", stops=True), AskingSuite(name="second"))
    plan = Plan(
        hosts=(PoolHost(name="lane", file=str(pool), wait_minutes=2),),
        deploy=DeployPlan(watch=()),
        suites=cast(Any, suites),
    )
    results = go(pool.parent / "run", plan)
    first = {"first-0": PASSED, "first-1": PASSED, "first-2": FAILED, "first-3": FAILED}
    assert cases(results) == first | {f"second-{n}": PASSED for n in range(4)}
    (step,) = results.failed_steps
    assert (step.name, step.blame) == ("wedged/lane/1", "product")
    assert "(restart-daemons)" in step.message
    recovery = recovery_in(pool.parent / "run/recover/lane/1")
    assert [(rung.name, rung.helped) for rung in recovery.rungs] == [("restart-daemons", True)]
    assert (recovery.blame, recovery.healthy) == ("product", True)
    assert exit_code(results) == 1
