"""The end of a run on the screen: what failed is not hidden by what broke because of it."""

from __future__ import annotations

import io

from rich.console import Console

from ci.model import BUILT_BEFORE, Build, CaseResult, Outcome
from ci.report.console import _failed_cases, summary
from ci.report.results import RunHeader, RunResults, StepResult, SuiteResults


def shown(*cases: CaseResult) -> list[str]:
    out = io.StringIO()
    suite = SuiteResults(host="h", suite="tck", ledger="", cases=cases)
    _failed_cases(Console(file=out, width=200), suite)
    return [line.strip() for line in out.getvalue().splitlines()]


def case(name: str, outcome: Outcome, message: str) -> CaseResult:
    return CaseResult(suite="tck", name=name, outcome=outcome, message=message)


def test_few_failures_are_all_shown() -> None:
    lines = shown(*(case(f"a/{n}", Outcome.BROKEN, "gone") for n in range(3)))
    assert lines == [f"broken tck on h: a/{n}: gone" for n in range(3)]


def test_of_many_the_first_of_each_message_is_shown() -> None:
    broken = [case(f"a/{n}", Outcome.BROKEN, "gone") for n in range(20)]
    hung = case("a/hung", Outcome.FAILED, "it hung")
    assert shown(*broken[:15], hung, *broken[15:]) == [
        "broken tck on h: a/0: gone (and 19 more like it)",
        "failed tck on h: a/hung: it hung",
        "... and 19 more in the JUnit file",
    ]


def test_of_many_messages_the_first_are_shown() -> None:
    lines = shown(*(case(f"a/{n}", Outcome.FAILED, f"no {n}") for n in range(20)))
    assert lines[0] == "failed tck on h: a/0: no 0"
    assert lines[-1] == "... and 12 more in the JUnit file"
    assert len(lines) == 9


def ended(build: Build | None = None) -> str:
    """The summary of a run that ended before its suites."""
    out = io.StringIO()
    results = RunResults(
        folder="r", header=RunHeader(plan="demo", plan_digest="d", virtci="1"),
        started=1.0, ended=2.0, finished=True, interrupted=False,
        steps=(StepResult(name="source", state="passed"),), suites=(), build=build,
    )  # fmt: skip
    summary(Console(file=out, width=200), results, exit_code=0)
    return out.getvalue()


def test_a_run_without_suites_says_that_no_suite_has_a_result() -> None:
    assert "PASSED: no suite has a result; exit 0" in ended()


def test_packages_of_an_earlier_run_are_called_so() -> None:
    build = Build(kind="rpmbuild", revision="", rpms=(), facts={BUILT_BEFORE: "monday"})
    assert "build       built before, in run monday" in ended(build)
    assert "built before" not in ended(Build(kind="rpmbuild", revision="", rpms=()))
