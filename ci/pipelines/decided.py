"""What a run would do, as lines; nothing is touched."""

from __future__ import annotations

from collections.abc import Iterator

from ci.pipelines.main import STAGES
from ci.pipelines.plan import Plan, ReportPlan


def decided(plan: Plan, until: str) -> Iterator[str]:
    """The steps of a plan up to a stage, each with what it would do."""
    wanted = STAGES[: STAGES.index(until) + 1]
    for name, lines in _steps(plan):
        if name.split("/")[0] in wanted:
            for line in lines:
                yield f"{name:24} {line}"
    for name, lines in _afterwards(plan.report) if until == STAGES[-1] else ():
        for line in lines:
            yield f"{name:24} {line}"


def _afterwards(report: ReportPlan) -> Iterator[tuple[str, tuple[str, ...]]]:
    if report.history:
        yield "history", ("import the run",)
    if report.gate:
        yield "gate", (f"judge it by {report.gate}",)
    if report.notify:
        yield "notify", (f"tell those of {report.notify} who want to hear of it",)


def _steps(plan: Plan) -> Iterator[tuple[str, tuple[str, ...]]]:
    if plan.source is not None:
        yield "source", plan.source.decided()
    if plan.build is not None:
        yield "build", plan.build.decided()
    for host in plan.hosts:
        yield f"hosts/{host.name}", host.decided()
        if plan.build is not None:
            yield f"deploy/{host.name}", plan.deploy.decided()
        for suite in plan.suites:
            yield f"suites/{host.name}/{suite.name}", suite.decided()
