"""The text: what a person needs on a phone, and one line that a program can read."""

from __future__ import annotations

from pathlib import Path

from ci.model import Record
from ci.notify.decision import Decided, News
from ci.report.failures import failures
from ci.report.results import RunResults
from ci.report.tallies import Tally
from ci.report.wording import named, tidy

SHOWN = 5
LINE = 160
WORDS = {
    News.NEW: "broke",
    News.STILL: "still bad",
    News.FIXED: "fixed",
    News.LAB: "lab trouble",
    News.PLAN: "was refused",
}


class Message(Record, frozen=True, kw_only=True):
    """``header`` are the facts for programs: ``run=... plan=... news=... outcome=...``."""

    title: str
    body: str
    header: str


def compose(run: RunResults, decided: Decided, link: str = "") -> Message:
    """The message of a run that is worth one."""
    assert decided.news is not None, "there is nothing to tell"
    plan = Path(run.header.plan).stem
    groups = failures(run)
    signatures = ",".join(group.signature for group in groups[:SHOWN]) or "-"
    header = (
        f"run={run.id} plan={plan} news={decided.news} outcome={run.outcome} "
        f"times={decided.times} signatures={signatures}"
    )
    lines = [f"X-Virtci: {header}", ""]
    lines += [f"{group.count}x {tidy(group.text)[:LINE]}" for group in groups[:SHOWN]]
    if len(groups) > SHOWN:
        lines.append(f"and {len(groups) - SHOWN} more signatures")
    if decided.news is News.STILL:
        lines.append(f"for the {decided.times}th time")
    lines += _changed(decided)
    lines.append(link.replace("{run}", run.id) or f"virtci report {run.id}")
    return Message(
        title=f"virtci: {plan} {WORDS[decided.news]}", body="\n".join(lines), header=header
    )


def _changed(decided: Decided) -> list[str]:
    found = decided.difference
    if found is None:
        return []
    lines = [f"since {found.before}"]
    lines += [f"{what}: {then[:40]} -> {now[:40]}" for what, then, now in found.facts[:3]]
    lines += [f"fixed: {_name(tally)}" for tally in found.fixed[:SHOWN]]
    return lines


def _name(tally: Tally) -> str:
    return f"{tally.suite}{f' on {tally.host}' if tally.host else ''}: {named(tally.name)}"[:LINE]
