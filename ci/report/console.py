"""What a person sees: lines while a run goes on, and a summary that fits one screen."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ci.model import BUILT_BEFORE, CaseResult, Deployment, Outcome, worst
from ci.report.before import change_since_before
from ci.report.compare import earlier_run
from ci.report.packages import has_packages, packages_since
from ci.report.results import NEUTRAL, RunResults, StepResult, SuiteResults
from ci.report.wording import named, tidy
from ci.report.xml_text import printable

STYLES = {
    Outcome.PASSED: "green",
    Outcome.UNSUPPORTED: "cyan",
    Outcome.SKIPPED: "cyan",
    Outcome.WAIVED: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.BROKEN: "bold magenta",
}
WHY = {
    Outcome.FAILED: " (the product is to blame)",
    Outcome.BROKEN: " (the lab is to blame, or nothing was proven)",
}
WHY_BOTH = " (the lab broke part of it, and the product failed too)"
BLAME = {"lab": "LAB", "product": "PRODUCT", "user": "PLAN", "virtci": "VIRTCI"}
SHOWN_FAILURES = 8
SHOWN_DETAIL = 12
SHOWN_WITHDRAWN = 3
CASE_LINE_SECONDS = 5.0


class ConsoleWatcher:
    """One line per event; passed cases are told as a count every few seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Outcome]] = {}
        self._told: dict[str, float] = {}

    def started(self, step: str) -> None:
        self._line(step, "...")

    def said(self, step: str, text: str) -> None:
        self._line(step, escape(printable(text)), style="dim")

    def case(self, step: str, result: CaseResult) -> None:
        with self._lock:
            counts = self._counts.setdefault(step, Counter())
            counts[result.outcome] += 1
            due = time.monotonic() >= self._told.get(step, 0.0) + CASE_LINE_SECONDS
            if due:
                self._told[step] = time.monotonic()
        if result.outcome in (Outcome.FAILED, Outcome.BROKEN):
            name, why = escape(named(result.name)), escape(tidy(result.message))
            self._line(step, f"{result.outcome} {name}: {why}", style=STYLES[result.outcome])
        elif due:
            self._line(step, f"{tally(counts)}; last {escape(named(result.name))}", style="dim")

    def withdrawn(self, step: str, results: Sequence[CaseResult], why: str) -> None:
        with self._lock:
            taken = Counter(result.outcome for result in results)
            self._counts.setdefault(step, Counter()).subtract(taken)
        names = ", ".join(named(result.name) for result in results[:SHOWN_WITHDRAWN])
        more = len(results) - SHOWN_WITHDRAWN
        names += f" and {more} more" if more > 0 else ""
        self._line(step, escape(tidy(f"not counted: {names}: {why}")), style="yellow")

    def ended(self, step: str, outcome: Outcome, seconds: float, *, again: bool) -> None:
        counts = self._counts.get(step)
        said, style = str(outcome), STYLES[outcome]
        if counts and outcome is Outcome.PASSED:  # the step ended well; its cases need not have
            said, style = tally(counts), STYLES[worst(+counts)]
        what = f"{said} in {seconds:.1f} s" if again else f"{said} before ({seconds:.1f} s)"
        self._line(step, what, style=style)

    def _line(self, step: str, text: str, style: str = "") -> None:
        stamp = time.strftime("%H:%M:%S")
        body = f"[{style}]{text}[/]" if style else text
        self.console.print(f"[dim]{stamp}[/] [bold]{escape(step)}[/] {body}", highlight=False)


def tally(counts: Counter[Outcome]) -> str:
    """``598 passed, 2 failed`` in the order of severity."""
    return ", ".join(f"{counts[o]} {o}" for o in Outcome if counts[o]) or "nothing"


def summary(console: Console, results: RunResults, *, exit_code: int) -> None:
    """Verdict first, then what to look at, then the proof, then where everything lies."""
    console.print()
    _verdict(console, results, exit_code)
    for step in results.failed_steps:
        _failed_step(console, step)
    for suite in results.suites:
        _failed_cases(console, suite)
    for why in results.unlooked:
        said = f"not looked  whether anything crashed unseen: {escape(printable(why))}"
        console.print(said, soft_wrap=True, highlight=False)
    _proof(console, results)
    console.print(_table(results))
    console.print(f"run folder  {results.folder}", soft_wrap=True, highlight=False)
    console.print(f"JUnit       {results.folder}/junit.xml", soft_wrap=True, highlight=False)
    if results.interrupted or not results.finished or results.failed_steps:
        again = f"virtci {_command(results)} --resume {results.folder}"
        console.print(f"go on with  {again}", highlight=False)


def _command(results: RunResults) -> str:
    """The command that this run was begun with: it is also the one that goes on with it."""
    return results.header.plan if results.header.plan in ("stress", "tck") else "run"


def _verdict(console: Console, results: RunResults, exit_code: int) -> None:
    counts: Counter[Outcome] = Counter()
    for suite in results.suites:
        counts += suite.counts
    outcome = results.outcome
    word, why = str(outcome).upper(), WHY.get(outcome, "")
    if outcome is Outcome.BROKEN and results.product_failed:
        why = WHY_BOTH
    if results.interrupted:
        word, why = "INTERRUPTED", ""
    elif results.refused:
        word, why = "REFUSED", " (the plan is to blame)"
    told = tally(counts) if +counts else "no suite has a result"
    console.print(f"[{STYLES[outcome]}]{word}[/]{why}: {told}; exit {exit_code}", highlight=False)


def _failed_step(console: Console, step: StepResult) -> None:
    blame = BLAME.get(step.blame, step.blame)
    console.print(
        f"[bold red]{blame}[/] {escape(step.name)}: {escape(printable(step.message))}",
        soft_wrap=True,
        highlight=False,
    )
    for line in step.detail.splitlines()[-SHOWN_DETAIL:]:
        console.print(f"    {escape(printable(line))}", soft_wrap=True, highlight=False)
    if step.hint:
        console.print(f"    what to do: {escape(step.hint)}", soft_wrap=True, highlight=False)


def _failed_cases(console: Console, suite: SuiteResults) -> None:
    """All of them when they are few; of many the first of each message, so that none hides."""
    bad = [case for case in suite.cases if case.outcome not in NEUTRAL]
    like = Counter((case.outcome, case.message) for case in bad)
    told = bad if len(bad) <= SHOWN_FAILURES else _first_of_each(bad)[:SHOWN_FAILURES]
    for case in told:
        others = like[case.outcome, case.message] - 1 if len(told) < len(bad) else 0
        console.print(
            f"[{STYLES[case.outcome]}]{case.outcome}[/] {escape(suite.suite)} on "
            f"{escape(suite.host)}: {escape(named(case.name))}: {escape(tidy(case.message))}"
            + (f" (and {others} more like it)" if others else ""),
            soft_wrap=True,
            highlight=False,
        )
    if len(bad) > len(told):
        console.print(f"    ... and {len(bad) - len(told)} more in the JUnit file")


def _first_of_each(cases: list[CaseResult]) -> list[CaseResult]:
    first: dict[tuple[Outcome, str], CaseResult] = {}
    for case in cases:
        first.setdefault((case.outcome, case.message), case)
    return list(first.values())


def _proof(console: Console, results: RunResults) -> None:
    if results.tree is not None:
        dirty = " with uncommitted changes" if results.tree.dirty else ""
        console.print(f"source      {escape(results.tree.revision)}{dirty}", highlight=False)
    if (change := change_since_before(results)) is not None:
        console.print(f"changed     {escape(change.sentence())}", soft_wrap=True, highlight=False)
    if results.build is not None and (run := results.build.facts.get(BUILT_BEFORE)):
        console.print(f"build       built before, in run {escape(run)}", highlight=False)
    _packages(console, results)
    for deployment in results.deployments:
        said = f"proof       {escape(deployment.host)}: {proven_there(deployment)}"
        console.print(said, soft_wrap=True, highlight=False)


def _packages(console: Console, results: RunResults) -> None:
    """What of the hosts' packages is another than in the last good run of this plan."""
    if not has_packages(results):
        return
    before = earlier_run(Path(results.folder), results)
    if before is None:
        return
    good = before.outcome is Outcome.PASSED
    name = f"{before.id} ({'the last good run' if good else 'the run before, which was not good'})"
    for host in packages_since(before, results):
        said = f"packages    {escape(printable(host.sentence(name)))}"
        console.print(said, soft_wrap=True, highlight=False)


def proven_there(deployment: Deployment) -> str:
    """What was tested there: this run's packages, or what the host had anyway."""
    if not deployment.installed:
        version = f"libvirt {deployment.libvirt_version}" if deployment.libvirt_version else ""
        return f"the host's own packages; {version or 'its libvirt'} was tested as it was found"
    proven = sum(module.build_id == module.expected for module in deployment.modules)
    new = f", {len(deployment.changed)} of them new to the host" if deployment.changed else ""
    packages = escape(" ".join(deployment.installed))
    return f"{packages}; {proven} running modules are these by build-id{new}"


def _table(results: RunResults) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("step", "seconds", "result"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    suites = {f"suites/{suite.host}/{suite.suite}": suite for suite in results.suites}
    for step in results.steps:
        suite = suites.get(step.name)
        text = step.state if suite is None else f"{tally(suite.counts)}  {suite.verdict}"
        table.add_row(escape(step.name), f"{step.seconds:.1f}", escape(text))
    return table
