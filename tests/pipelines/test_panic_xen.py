"""A real Xen host whose dom0 panics in the middle of a suite: the product, with evidence."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from ci.codec import to_json
from ci.deploy.install import DeployPlan
from ci.journal import Event, Journal, read
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import CaseResult, Outcome, Record
from ci.nested.boot import NestedHost
from ci.pipelines.plan import LanesPlan, Plan
from ci.report.results import exit_code
from ci.run import Step
from tests.pipelines.test_main import go

pytestmark = [pytest.mark.real, pytest.mark.xen, pytest.mark.faults]
PANIC = "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger"
NAMES = ("before", "during", "after")


class PanickingSuite(Record, frozen=True, kw_only=True):
    """Asks the host for ``xl list`` three times; the first time round it panics the second time."""

    folder: str
    name: str = "panicking"
    seconds: int = 300

    def run(self, step: Step, target: Target) -> SuiteEnd:
        path = step.folder / "ledger.jsonl"
        done = {event.name for event in read(path)} if path.exists() else set()
        journal = Journal(path)
        for name in NAMES:
            if name not in done:
                journal.append(_case(name, target.host, ok=self._ask(name, target)))
        journal.close()
        return suite_end(self.name, target, path, step.relative(path))

    def _ask(self, name: str, target: Target) -> bool:
        once = Path(self.folder, "panicked")
        panic = name == "during" and not once.exists()
        if panic:
            once.touch()
        argv = (*target.daemon_probe[:-1], PANIC if panic else "xl list")
        try:
            return subprocess.run(argv, check=False, timeout=30).returncode == 0
        except subprocess.TimeoutExpired:
            return False


def _case(name: str, host: str, *, ok: bool) -> Event:
    result = CaseResult(
        suite="panicking",
        name=name,
        outcome=Outcome.PASSED if ok else Outcome.FAILED,
        host=host,
        message="the connection broke",
    )
    return Event(at=1.0, what="case", name=name, data=msgspec.Raw(to_json(result)))


def test_a_panic_in_the_middle_of_a_suite_is_told_and_the_rest_is_run_on_a_new_host(
    tmp_path: Path,
) -> None:
    plan = Plan(
        hosts=(NestedHost(name="xen1", boot_seconds=600, minutes_to_live=30),),
        deploy=DeployPlan(watch=()),
        suites=cast(Any, (PanickingSuite(folder=str(tmp_path)),)),
        lanes=LanesPlan(moves=1),
    )
    results = go(tmp_path / "run", plan)
    found = {suite.suite: list(suite.cases) for suite in results.suites}
    assert {case.name: str(case.outcome) for case in found["panicking"]} == dict.fromkeys(
        NAMES, "passed"
    )
    panic = next(case for case in found["console"] if case.name == "panic-1")
    assert panic.outcome is Outcome.FAILED
    assert "Kernel panic - not syncing: sysrq triggered crash" in panic.message
    assert "sysrq_handle_crash" in panic.detail
    assert panic.files == ("hosts/xen1/console.log",)
    assert {step.name: step.blame for step in results.failed_steps} == {"lost/xen1/1": "product"}
    assert exit_code(results) == 1
    assert (tmp_path / "run/suites/xen1/panicking/ledger.lost-1.jsonl").exists()
