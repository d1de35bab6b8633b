"""The pipeline names what a suite died of, in every report, and knows what is known."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from ci.errors import UsageError
from ci.launch.target import SuiteEnd, Target, suite_end
from ci.model import Outcome
from ci.pipelines.plan import CrashPlan, Plan, ReportPlan, load_plan
from ci.report import junit
from ci.report.page import write
from ci.report.results import RunResults, exit_code
from ci.run import Step
from tests.crash.ledgers import write_ledger
from tests.crash.samples import OLD
from tests.pipelines.fake_plan import FakeSuite, fake_plan, note
from tests.pipelines.test_main import Cut, go

LOST = "domain_reboot: End of file while reading data: Input/output error"
SIGNATURE = "libvirtd: assert fd == ev->fd in libxl_osevent_occurred_fd"


class DyingSuite(FakeSuite, frozen=True, kw_only=True):
    """A loop in two of whose iterations the daemon died; its host left a backtrace."""

    def run(self, step: Step, target: Target) -> SuiteEnd:
        note(self.calls, "loop")
        ledger = write_ledger(
            step.folder, iterations=6, deaths={3: "reboot", 5: "reboot"}, message=LOST
        )
        evidence = step.run_folder / "evidence" / "h1" / self.name
        evidence.mkdir(parents=True, exist_ok=True)
        shutil.copy(OLD[0], evidence / "backtrace.txt")
        return suite_end(self.name, target, ledger, step.relative(ledger))


def dying_plan(tmp_path: Path, known: str = "") -> Plan:
    calls = str(tmp_path / "calls")
    plan = fake_plan(Path(calls))
    suite = DyingSuite(calls=calls, name="stress", cases=())
    issues = ""
    if known:
        (tmp_path / "known.toml").write_text(known)
        issues = str(tmp_path / "known.toml")
    return Plan(
        source=plan.source,
        build=plan.build,
        hosts=plan.hosts,
        suites=cast(Any, (suite,)),
        crashes=CrashPlan(known=issues),
    )


def outcomes(results: RunResults) -> dict[str, dict[str, int]]:
    return {
        suite.suite: {str(outcome): count for outcome, count in suite.counts.items()}
        for suite in results.suites
    }


def issue(signature: str, until: datetime.date | None = None) -> str:
    lines = [
        "[[issue]]", f'signature = "{signature}"', 'ticket = "bug-1"', 'owner = "virt team"',
    ]  # fmt: skip
    return "\n".join([*lines, *([f"waived_until = {until}", 'reason = "r"'] if until else [])])


def test_failed_cases_get_the_crash_that_killed_them_in_every_report(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    results = go(folder, dying_plan(tmp_path))
    assert outcomes(results) == {
        "stress": {"passed": 4, "failed": 2}, "stress-crashes": {"failed": 1},
    }  # fmt: skip
    assert exit_code(results) == 1
    junit.write(folder / "junit.xml", results)
    page = write(folder, results).read_text()
    xml = (folder / "junit.xml").read_text()
    assert xml.count(f"[{SIGNATURE}]".replace(">", "&gt;")) >= 2
    assert "the daemon (process 40)" in xml
    assert SIGNATURE.replace(">", "&gt;") in page


def test_each_crash_has_a_reproducer_with_its_rate_and_packages(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    results = go(folder, dying_plan(tmp_path))
    (crash,) = next(suite for suite in results.suites if suite.suite == "stress-crashes").cases
    bundle = folder / "crashes" / "h1" / "stress" / "bundle-1"
    facts = json.loads((bundle / "reproduce.json").read_text())
    assert (facts["signature"], facts["tripped"], facts["played"]) == (SIGNATURE, 2, 6)
    assert facts["packages"] == ["libvirt-9-1.x86_64"]
    assert {str((bundle / name).relative_to(folder)) for name in ("reproduce.py", "report.md")} < {
        *crash.files
    }
    assert all((folder / file).is_file() for file in crash.files)


def test_a_known_issue_labels_its_failures_and_fails_still(tmp_path: Path) -> None:
    results = go(tmp_path / "run", dying_plan(tmp_path, issue(SIGNATURE)))
    assert exit_code(results) == 1
    bad = [c for s in results.suites for c in s.cases if c.outcome is Outcome.FAILED]
    assert len(bad) == 3
    assert all("bug-1 (virt team)" in case.message for case in bad)


def test_a_waived_issue_fails_nothing_until_its_day_is_over(tmp_path: Path) -> None:
    today = datetime.datetime.now().astimezone().date()
    day = datetime.timedelta(days=1)
    until = go(tmp_path / "now", dying_plan(tmp_path, issue(SIGNATURE, today + day)))
    over = go(tmp_path / "over", dying_plan(tmp_path, issue(SIGNATURE, today - day)))
    assert exit_code(until) == 0
    assert outcomes(until)["stress"] == {"passed": 4, "waived": 2}
    assert exit_code(over) == 1
    assert "the waiver expired" in next(iter(over.suites[-1].cases)).message


def test_another_issues_waiver_waives_nothing(tmp_path: Path) -> None:
    known = issue("libvirtd: SIGSEGV in *", datetime.date(9999, 1, 1))
    assert exit_code(go(tmp_path / "run", dying_plan(tmp_path, known))) == 1


@pytest.mark.parametrize("evidence", [True, False])
def test_a_failure_without_a_crash_can_be_known_by_its_message(
    tmp_path: Path, *, evidence: bool
) -> None:
    plan = fake_plan(tmp_path / "calls", Outcome.PASSED, Outcome.FAILED)
    (tmp_path / "known.toml").write_text(issue("why", datetime.date(9999, 1, 1)))
    plan = msgspec.structs.replace(
        plan,
        crashes=CrashPlan(known=str(tmp_path / "known.toml")),
        report=ReportPlan(evidence=evidence),
    )
    results = go(tmp_path / "run", plan)
    assert outcomes(results)["one"] == {"passed": 1, "waived": 1}
    assert exit_code(results) == 0


def test_a_run_cut_before_its_crashes_were_read_reads_them_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise Cut

    plan = dying_plan(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("ci.pipelines.crashes.explain", cut)
        with pytest.raises(Cut):
            go(tmp_path / "run", plan)
    results = go(tmp_path / "run", plan)
    assert (tmp_path / "calls").read_text().splitlines().count("loop") == 1
    assert outcomes(results)["stress-crashes"] == {"failed": 1}


def test_a_file_of_known_issues_that_is_not_right_is_refused_before_anything_is_done(
    tmp_path: Path,
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('hosts = [{kind = "local", name = "l", uri = "test:///default"}]\n'
                    '[crashes]\nknown = "known.toml"\n')  # fmt: skip
    (tmp_path / "known.toml").write_text('[[issue]]\nsignature = "*"\nticket="t"\nowner="o"\n')
    with pytest.raises(UsageError, match=r"known\.toml.*fits every crash"):
        load_plan(plan)
