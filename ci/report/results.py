"""A run as its journal and ledgers tell it: the one source of every report (read by loading.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ci.errors import UsageError
from ci.model import Build, CaseResult, Deployment, Outcome, Record, Tree, worst
from ci.report.ledger import LedgerCases, is_iteration

NEUTRAL = (Outcome.PASSED, Outcome.UNSUPPORTED, Outcome.SKIPPED, Outcome.WAIVED)
Vital = tuple[float, float, float, float]
CRASHES = "-crashes"  # behind a suite's name: the ledger of the crashes that were found behind it
EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.BROKEN: 3}


class RunHeader(Record, frozen=True, kw_only=True):
    """The first event of a journal: what this run was asked for, by which virtci."""

    plan: str
    plan_digest: str
    virtci: str
    plan_text: str = ""
    changes: tuple[str, ...] = ()
    title: str = ""


class StepResult(Record, frozen=True, kw_only=True):
    """How a step last ended; ``running`` when it was cut."""

    name: str
    state: str
    seconds: float = 0.0
    blame: str = ""
    message: str = ""
    hint: str = ""
    detail: str = ""
    retries: int = 0


class SuiteResults(Record, frozen=True, kw_only=True):
    """One suite on one host: its ledger's cases, and the verdict it gave of itself, if any.

    ``cases`` may be read from the file anew each time: go through them once where possible.
    ``vitals`` are samples of the daemon: iteration, descriptors, threads, resident KiB.
    """

    host: str
    suite: str
    ledger: str
    cases: Sequence[CaseResult]
    verdict: str = ""
    leaks: tuple[str, ...] = ()
    seed: int | None = None
    vitals: tuple[Vital, ...] = ()

    @property
    def counts(self) -> Counter[Outcome]:
        if isinstance(self.cases, LedgerCases):
            return self.cases.counts
        return Counter(case.outcome for case in self.cases)

    @property
    def loops(self) -> Counter[Outcome]:
        """Of the iterations of a loop alone; empty when the suite is none."""
        if isinstance(self.cases, LedgerCases):
            return self.cases.loops
        return Counter(case.outcome for case in self.cases if is_iteration(case.name))

    @property
    def seconds(self) -> float:
        """Of all cases together."""
        if isinstance(self.cases, LedgerCases):
            return self.cases.seconds
        return sum(case.seconds for case in self.cases)


class RunResults(Record, frozen=True, kw_only=True):
    """All of a run."""

    folder: str
    header: RunHeader
    started: float
    ended: float
    finished: bool
    interrupted: bool
    steps: tuple[StepResult, ...]
    suites: tuple[SuiteResults, ...]
    tree: Tree | None = None
    build: Build | None = None
    deployments: tuple[Deployment, ...] = ()
    unlooked: tuple[str, ...] = ()  # suites behind which nobody could look for crashes, and why

    @property
    def id(self) -> str:
        return Path(self.folder).name

    @property
    def failed_steps(self) -> tuple[StepResult, ...]:
        return tuple(step for step in self.steps if step.state == "failed")

    @property
    def product_failed(self) -> bool:
        """Whether anything failed that is the product's fault, whatever the lab broke beside it."""
        steps = any(step.blame == "product" for step in self.failed_steps)
        return steps or any(suite.counts[Outcome.FAILED] for suite in self.suites)

    @property
    def refused(self) -> bool:
        """Whether a step found the plan wrong: neither the product's fault nor the lab's."""
        return any(step.blame == "user" for step in self.failed_steps)

    @property
    def outcome(self) -> Outcome:
        """The worst of all; a run that proved nothing at all is BROKEN."""
        found = [outcome for suite in self.suites for outcome in suite.counts]
        found += [
            Outcome.BROKEN if step.blame == "lab" else Outcome.FAILED for step in self.failed_steps
        ]
        before_suites = not any(step.name.startswith("suites/") for step in self.steps)
        if not found and self.steps and before_suites and self.finished:
            return Outcome.PASSED  # ended on purpose before the suites (--until)
        if found and worst(found) in NEUTRAL:
            # beside a pass, what is not supported or known takes nothing away; alone it proves none
            return Outcome.PASSED if Outcome.PASSED in found else Outcome.BROKEN
        return worst(found)


def exit_code(results: RunResults) -> int:
    """0 passed, 1 the product failed, 2 the plan is wrong, 3 the lab failed or nothing proven."""
    if results.refused:
        return UsageError.exit_code
    return EXIT_CODES[results.outcome]
