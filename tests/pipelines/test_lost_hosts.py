"""A host that goes away in the middle: whose fault, what is kept, where the rest is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from ci.codec import to_json
from ci.deadline import Deadline
from ci.deploy.poolhost import PoolHost
from ci.deploy.sshhost import SshHost
from ci.errors import InfraError
from ci.journal import Event, Journal, read
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import Access, CaseResult, Deployment, Outcome, Record
from ci.nested.boot import NestedHost
from ci.pipelines.elsewhere import another, same_again
from ci.pipelines.lost import cut_ledger
from ci.pipelines.plan import LanesPlan, Plan, ReportPlan
from ci.report.results import RunResults, exit_code
from ci.run import Step
from ci.watcher import Silent
from tests.pipelines.fake_plan import note
from tests.pipelines.test_main import calls_in, go

PASSED, FAILED, BROKEN = Outcome.PASSED, Outcome.FAILED, Outcome.BROKEN
PANIC = "[   66.0] Kernel panic - not syncing: sysrq triggered crash\n"


def access_of(name: str, folder: Path) -> Access:
    return Access(
        name=name, address="127.0.0.1", port=9, user="root", key="k", known_hosts="n",
        hypervisor="test", uri="test:///default", boot_id="b", console=str(folder / "console.log"),
    )  # fmt: skip


class Mortal(NestedHost, frozen=True, kw_only=True):
    """Up for as long as the file ``<folder>/<name>.up`` is there."""

    folder: str

    def _up(self) -> Path:
        return Path(self.folder, f"{self.name}.up")

    def acquire(self, step: Step) -> Access:
        note(f"{self.folder}/calls", f"boot {self.name}")
        self._up().touch()
        return access_of(self.name, Path(self.folder))

    def still_up(self, access: Access, deadline: Deadline) -> bool:
        return self._up().exists()

    def release(self, access: Access, deadline: Deadline) -> None:
        self._up().unlink(missing_ok=True)


class MortalSsh(SshHost, frozen=True, kw_only=True):
    folder: str
    dead: bool = False

    def acquire(self, step: Step) -> Access:
        note(f"{self.folder}/calls", f"login {self.name}")
        if self.dead:
            raise InfraError("no route to host")
        return access_of(self.name, Path(self.folder))

    def still_up(self, access: Access, deadline: Deadline) -> bool:
        return not self.dead

    def release(self, access: Access, deadline: Deadline) -> None:
        note(f"{self.folder}/calls", f"logout {self.name}")


class DeadlySuite(Record, frozen=True, kw_only=True):
    """Five cases; the host dies in the third the first time, and what follows fails."""

    folder: str
    name: str = "deadly"
    says: str = ""
    seconds: int = 60
    kills: bool = True

    def run(self, step: Step, target: Target) -> SuiteEnd:
        path = step.folder / "ledger.jsonl"
        done = {event.name for event in read(path)} if path.exists() else set()
        up, once = Path(self.folder, f"{target.host}.up"), Path(self.folder, "died")
        journal = Journal(path)
        for name in (f"case-{n}" for n in range(5)):
            if name in done:
                continue
            if self.kills and name == "case-2" and not once.exists():
                once.touch()
                up.unlink(missing_ok=True)
                with Path(self.folder, "console.log").open("a") as console:
                    console.write(self.says)
            note(f"{self.folder}/calls", f"{name} on {target.host}")
            journal.append(_case(name, PASSED if up.exists() or not self.kills else FAILED))
        journal.close()
        return suite_end(self.name, target, path, step.relative(path))


def _case(name: str, outcome: Outcome) -> Event:
    result = CaseResult(suite="deadly", name=name, outcome=outcome, message="closed by remote host")
    return Event(at=1.0, what="case", name=name, data=msgspec.Raw(to_json(result)))


def plan_of(folder: Path, *, hosts: tuple[Any, ...] = (), moves: int = 0, says: str = "") -> Plan:
    return Plan(
        hosts=cast(Any, hosts or (Mortal(name="xen1", folder=str(folder)),)),
        suites=cast(Any, (DeadlySuite(folder=str(folder), says=says, kills=not hosts),)),
        lanes=LanesPlan(moves=moves),
        report=ReportPlan(evidence=False),
    )


@pytest.fixture(autouse=True)
def no_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    def deployed(step: Step, _settings: Any, _build: Any, access: Access) -> Deployment:
        return Deployment(
            host=access.name, uri=access.uri, installed=(), modules=(), changed=(), kernel="",
            hypervisor_version="", libvirt_version="", boot_id=access.boot_id,
        )  # fmt: skip

    monkeypatch.setattr("ci.pipelines.lane.deploy", deployed)


def outcomes(results: RunResults, suite: str) -> dict[str, Outcome]:
    return {
        case.name: case.outcome
        for found in results.suites
        if found.suite == suite
        for case in found.cases
    }


def test_what_a_suite_says_of_a_host_that_is_gone_is_no_verdict_on_the_product(
    tmp_path: Path,
) -> None:
    results = go(tmp_path / "run", plan_of(tmp_path))
    assert outcomes(results, "deadly") == {"case-0": PASSED, "case-1": PASSED}
    (step,) = results.failed_steps
    assert (step.name, step.blame) == ("suites/xen1/deadly", "lab")
    assert "xen1 was lost in the middle of suites/xen1/deadly" in step.message
    assert "not counted: 3 (ledger.lost-1.jsonl)" in step.message
    assert exit_code(results) == 3
    kept = tmp_path / "run/suites/xen1/deadly/ledger.lost-1.jsonl"
    assert [event.name for event in read(kept)] == [f"case-{n}" for n in range(5)]


def test_the_rest_is_run_elsewhere_and_the_loss_stays_the_labs(tmp_path: Path) -> None:
    results = go(tmp_path / "run", plan_of(tmp_path, moves=1))
    assert outcomes(results, "deadly") == {f"case-{n}": PASSED for n in range(5)}
    calls = calls_in(tmp_path / "calls")
    assert calls.count("boot xen1") == 2
    assert calls.count("case-0 on xen1") == 1
    assert [(s.name, s.blame) for s in results.failed_steps] == [("lost/xen1/1", "lab")]
    assert exit_code(results) == 3


def test_who_watches_is_told_which_cases_do_not_count(tmp_path: Path) -> None:
    class Taken(Silent):
        names: tuple[str, ...] = ()

        def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None:
            self.names += (*(result.name for result in results), why)

    watcher = Taken()
    go(tmp_path / "run", plan_of(tmp_path, moves=1), watcher=watcher)
    assert watcher.names[0].startswith("case-")
    assert watcher.names[-1] == "xen1 was lost"


def test_a_panic_on_the_console_is_the_products_and_a_case_with_its_lines(tmp_path: Path) -> None:
    results = go(tmp_path / "run", plan_of(tmp_path, says=PANIC, moves=1))
    assert [(s.name, s.blame) for s in results.failed_steps] == [("lost/xen1/1", "product")]
    (case,) = [case for suite in results.suites if suite.suite == "console" for case in suite.cases]
    assert (case.name, case.outcome) == ("panic-1", FAILED)
    assert case.properties["during"] == "deadly"
    assert "sysrq triggered crash" in case.detail
    assert exit_code(results) == 1


def test_trouble_on_the_console_of_a_host_that_lives_fails_the_run_too(tmp_path: Path) -> None:
    (tmp_path / "died").touch()
    (tmp_path / "console.log").write_text("[ 1.0] kernel BUG at mm/slub.c:379!\n")
    results = go(tmp_path / "run", plan_of(tmp_path))
    assert outcomes(results, "console") == {"oops-1": FAILED}
    assert set(outcomes(results, "deadly").values()) == {PASSED}
    assert exit_code(results) == 1


def test_the_work_of_a_dead_machine_goes_to_another_one_of_the_plan(tmp_path: Path) -> None:
    hosts = (
        MortalSsh(name="dead", address="a", folder=str(tmp_path), dead=True),
        MortalSsh(name="alive", address="b", folder=str(tmp_path)),
    )
    results = go(tmp_path / "run", plan_of(tmp_path, hosts=hosts, moves=1))
    calls = calls_in(tmp_path / "calls")
    assert calls.count("case-0 on alive") == 2
    visits = [line for line in calls if line.split()[-1] == "alive" and "case" not in line]
    assert visits == ["login alive", "logout alive"] * 2, "two lanes were on it at once"
    assert {suite.host for suite in results.suites} == {"dead", "alive"}
    assert exit_code(results) == 3


def test_another_machine_is_never_one_that_was_lost() -> None:
    pool = PoolHost(name="any", require="xen | kvm")
    found = another(pool, ("lab1", "lab2"), ())
    assert isinstance(found, PoolHost)
    assert found.require == "(xen | kvm) & !lab1 & !lab2"
    again = same_again(PoolHost(name="any"), "lab1")
    assert isinstance(again, PoolHost)
    assert again.require == "lab1"
    ssh = SshHost(name="a", address="a")
    kvm = SshHost(name="b", address="b", hypervisor="qemu")
    assert another(ssh, ("a",), (ssh, kvm)) is None


def test_a_ledger_whose_last_case_passed_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    journal = Journal(path)
    for name, outcome in (("a", FAILED), ("b", PASSED)):
        journal.append(_case(name, outcome))
    journal.close()
    before = path.read_bytes()
    assert cut_ledger(path).cases == ()
    assert path.read_bytes() == before
