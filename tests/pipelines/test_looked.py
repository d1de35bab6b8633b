"""Behind every suite somebody looks for cores, once, however the run was cut; fakes throughout."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from ci.journal import Event, Journal
from ci.model import LeftCore, Looked, Outcome, Replaced, Served
from ci.pipelines.main import pipeline
from ci.pipelines.plan import Plan, ReportPlan
from ci.report import junit
from ci.report.console import summary
from ci.report.loading import load
from ci.report.results import RunResults, exit_code
from ci.run import Run
from ci.watcher import Silent
from tests.pipelines.fake_plan import fake_plan
from tests.pipelines.test_crashes import outcomes
from tests.pipelines.test_main import Cut, calls_in, go

PASSED, FAILED = Outcome.PASSED, Outcome.FAILED
CORE = LeftCore(program="virtlogd", pid=4711, path="/var/crash/core", at=1.0)
NAME = "virtlogd: core that was not read"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Looked], list[str]]:
    """Behind suite ``one`` this is found, behind others nothing; gives the suites looked at."""

    def found(what: Looked) -> list[str]:
        seen: list[str] = []

        def look(_access: object, folder: Path, _deadline: object) -> Looked:
            seen.append(folder.name)
            return what if folder.name == "one" else Looked()

        monkeypatch.setattr("ci.pipelines.witness.look_for_cores", look)
        return seen

    return found


def resume(folder: Path, plan: Plan) -> RunResults:
    run = Run(folder)
    try:
        pipeline(run, plan)
        run.note("ended")
    finally:
        run.close()
    return load(folder)


def printed(results: RunResults) -> str:
    out = io.StringIO()
    summary(Console(file=out, width=300), results, exit_code=exit_code(results))
    return out.getvalue()


def test_a_core_behind_a_suite_of_passes_is_a_failure_in_every_report(
    tmp_path: Path, looks: Callable[[Looked], list[str]]
) -> None:
    seen = looks(Looked(cores=(CORE,)))
    results = go(tmp_path / "run", fake_plan(tmp_path / "calls", PASSED))
    assert seen == ["one", "two"]
    assert outcomes(results) == {
        "one": {"passed": 1}, "one-crashes": {"failed": 1}, "two": {"passed": 1},
    }  # fmt: skip
    assert exit_code(results) == 1
    junit.write(tmp_path / "junit.xml", results)
    assert NAME in (tmp_path / "junit.xml").read_text()
    assert f"failed one-crashes on h1: {NAME}" in printed(results)


def test_a_failing_suite_is_looked_at_too_and_keeps_its_failures(
    tmp_path: Path, looks: Callable[[Looked], list[str]]
) -> None:
    looks(Looked(cores=(CORE,)))
    results = go(tmp_path / "run", fake_plan(tmp_path / "calls", PASSED, FAILED))
    assert outcomes(results)["one"] == {"passed": 1, "failed": 1}
    assert outcomes(results)["one-crashes"] == {"failed": 1}
    assert "two-crashes" not in outcomes(results)


def test_nobody_looks_where_the_plan_wants_no_evidence(
    tmp_path: Path, looks: Callable[[Looked], list[str]]
) -> None:
    seen = looks(Looked(cores=(CORE,)))
    plan = fake_plan(tmp_path / "calls", PASSED)
    plan = msgspec.structs.replace(plan, report=ReportPlan(evidence=False))
    assert exit_code(go(tmp_path / "run", plan)) == 0
    assert seen == []


class Told(Silent):
    """What steps said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, step: str, text: str) -> None:
        self.lines.append(f"{step}: {text}")


def test_a_daemon_that_is_another_behind_a_suite_of_others_is_only_told_of(
    tmp_path: Path, looks: Callable[[Looked], list[str]]
) -> None:
    was = Served(program="libvirtd", pid=812, start=1, idles=False, at=1.0)
    looks(Looked(replaced=(Replaced(was=was),)))
    told = Told()
    results = go(tmp_path / "run", fake_plan(tmp_path / "calls", PASSED), watcher=told)
    assert exit_code(results) == 0
    assert "one-crashes" not in outcomes(results)
    (said,) = (line for line in told.lines if line.startswith("suites/h1/one: "))
    assert "libvirtd (process 812) ended meanwhile and left no core; nobody answers now" in said
    assert said.endswith("; whether the suite asked for that is not known")


def test_a_host_that_cannot_be_looked_at_fails_nothing_and_is_said(
    tmp_path: Path, looks: Callable[[Looked], list[str]]
) -> None:
    looks(Looked(trouble="ssh: no route to host"))
    results = go(tmp_path / "run", fake_plan(tmp_path / "calls", PASSED))
    assert exit_code(results) == 0
    assert results.unlooked == ("h1/one: ssh: no route to host",)
    said = "not looked  whether anything crashed unseen: h1/one: ssh: no route to host"
    assert said in printed(results)


def test_a_run_cut_anywhere_looks_once_more_or_for_the_first_time(
    tmp_path: Path, looks: Callable[[Looked], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Journal.append
    looks(Looked(cores=(CORE,)))
    uncut = go(tmp_path / "uncut", fake_plan(tmp_path / "uncut-calls", PASSED))
    for cut_at in range(1, 60):
        left = cut_at

        def dying(journal: Journal, event: Event) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut
            append(journal, event)

        folder, calls = tmp_path / f"run{cut_at}", tmp_path / f"calls{cut_at}"
        plan = fake_plan(calls, PASSED)
        monkeypatch.setattr(Journal, "append", dying)
        try:
            go(folder, plan)
        except Cut:
            monkeypatch.setattr(Journal, "append", append)
            results = resume(folder, plan)
            assert outcomes(results) == outcomes(uncut), f"cut at write {cut_at}"
            assert exit_code(results) == 1
        else:
            assert cut_at > 15
            return
    pytest.fail("the run never ended")


def test_a_run_that_is_whole_is_not_looked_at_again(
    tmp_path: Path, looks: Callable[[Looked], list[str]]
) -> None:
    plan = fake_plan(tmp_path / "calls", PASSED)
    looks(Looked())
    go(tmp_path / "run", plan)
    before = calls_in(tmp_path / "calls")
    seen = looks(Looked(cores=(CORE,)))  # of a later day
    assert exit_code(resume(tmp_path / "run", plan)) == 0
    assert seen == []
    assert [call for call in calls_in(tmp_path / "calls") if call.startswith("case")] == [
        call for call in before if call.startswith("case")
    ]
