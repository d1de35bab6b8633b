"""The pipeline on fakes: order, blame, and being cut anywhere."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from ci.errors import InfraError, Interrupted, ProductError, UsageError
from ci.journal import Event, Journal
from ci.model import Access, Outcome
from ci.pipelines.main import pipeline
from ci.pipelines.plan import Plan
from ci.report.loading import load
from ci.report.results import RunHeader, RunResults, exit_code
from ci.run import Run, Step
from tests.pipelines.fake_plan import FakeHost, fake_plan, note

PASSED, FAILED, BROKEN = Outcome.PASSED, Outcome.FAILED, Outcome.BROKEN


class Cut(BaseException):
    """Stands for kill -9."""


def go(folder: Path, plan: Plan, until: str = "suites", **options: Any) -> RunResults:
    run = Run(folder, **options)
    try:
        run.note("run", "r", RunHeader(plan="p", plan_digest="d", virtci="v"))
        pipeline(run, plan, until=until)
        run.note("ended")
    finally:
        run.close()
    return load(folder)


def calls_in(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_the_job_goes_top_to_bottom_and_hands_the_host_back(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    results = go(tmp_path / "run", fake_plan(calls, PASSED))
    assert calls_in(calls) == [
        "fetch", "make", "acquire h1", "case one/case-0", "case two/case-0", "release h1",
    ]  # fmt: skip
    assert (results.outcome, exit_code(results)) == (PASSED, 0)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((PASSED, FAILED), 1),
        ((FAILED, PASSED), 1),
        ((PASSED, BROKEN), 3),
        ((PASSED, Outcome.UNSUPPORTED), 0),
        ((Outcome.UNSUPPORTED, Outcome.SKIPPED), 3),
        ((), 3),
    ],
)
def test_the_exit_code_is_that_of_the_worst_verdict(
    tmp_path: Path, outcomes: tuple[Outcome, ...], code: int
) -> None:
    assert exit_code(go(tmp_path / "run", fake_plan(tmp_path / "calls", *outcomes))) == code


@pytest.mark.parametrize(
    ("until", "last"), [("source", "fetch"), ("build", "make"), ("hosts", "release h1")]
)
def test_a_run_can_end_after_a_stage(tmp_path: Path, until: str, last: str) -> None:
    calls = tmp_path / "calls"
    results = go(tmp_path / "run", fake_plan(calls, PASSED), until=until)
    assert calls_in(calls)[-1] == last
    assert exit_code(results) == 0


class NoHost(FakeHost, frozen=True, kw_only=True):
    error: str = "InfraError"

    def acquire(self, step: Step) -> Access:
        raise {kind.__name__: kind for kind in (InfraError, ProductError, UsageError)}[self.error](
            "no boot"
        )


def test_one_hosts_trouble_does_not_stop_the_others(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    hosts = (NoHost(calls=str(calls), name="bad"), FakeHost(calls=str(calls), name="good"))
    results = go(tmp_path / "run", fake_plan(calls, PASSED, hosts=hosts))
    assert "release good" in calls_in(calls)
    assert [step.name for step in results.failed_steps] == ["hosts/bad"]
    assert exit_code(results) == 3


@pytest.mark.parametrize(
    ("error", "code"), [("ProductError", 1), ("UsageError", 2), ("InfraError", 3)]
)
def test_the_exit_code_tells_who_is_to_blame(tmp_path: Path, error: str, code: int) -> None:
    calls = tmp_path / "calls"
    plan = fake_plan(calls, PASSED, hosts=(NoHost(calls=str(calls), error=error),))
    assert exit_code(go(tmp_path / "run", plan)) == code


def test_cut_at_any_write_and_resumed_it_ends_like_an_uncut_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncut = go(tmp_path / "uncut", fake_plan(tmp_path / "uncut-calls", PASSED, FAILED))
    whole = calls_in(tmp_path / "uncut-calls")
    append = Journal.append
    for cut_at in range(1, 40):
        left = cut_at

        def dying(journal: Journal, event: Event) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut
            append(journal, event)

        folder, calls = tmp_path / f"run{cut_at}", tmp_path / f"calls{cut_at}"
        plan = fake_plan(calls, PASSED, FAILED)
        monkeypatch.setattr(Journal, "append", dying)
        try:
            go(folder, plan)
        except Cut:
            monkeypatch.setattr(Journal, "append", append)
            _resume(folder, plan)
            results = load(folder)
            assert [s.counts for s in results.suites] == [s.counts for s in uncut.suites]
            assert exit_code(results) == exit_code(uncut)
            repeated = len(calls_in(calls)) - len(whole)
            assert repeated <= 3, f"cut at write {cut_at}: {calls_in(calls)}"
        else:
            assert cut_at > 12
            return
    pytest.fail("the run never ended")


def _resume(folder: Path, plan: Plan) -> None:
    run = Run(folder)
    try:
        pipeline(run, plan)
        run.note("ended")
    finally:
        run.close()


class StoppingHost(FakeHost, frozen=True, kw_only=True):
    def acquire(self, step: Step) -> Access:
        access = super().acquire(step)
        assert step.deadline.stop is not None
        step.deadline.stop.set()
        return access


def test_a_stop_hands_the_host_back_and_leaves_the_rest_for_later(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    plan = fake_plan(calls, PASSED, hosts=(StoppingHost(calls=str(calls)),))
    with pytest.raises(Interrupted):
        go(tmp_path / "run", plan, stop=threading.Event())
    assert "release h1" in calls_in(calls)
    assert "case one/case-0" not in calls_in(calls)
    note(str(calls), "-- resumed")
    _resume(tmp_path / "run", plan)
    after = calls_in(calls)[calls_in(calls).index("-- resumed") + 1 :]
    assert "fetch" not in after
    assert "case two/case-0" in after
