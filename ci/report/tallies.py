"""A run's tests, each with its counts. The iterations of a loop are one test, tried many times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from ci.model import SEVERITY, CaseResult, Outcome
from ci.report.ledger import is_iteration
from ci.report.results import NEUTRAL, RunResults, StepResult, SuiteResults
from ci.report.signature import signature_id, signature_of, signature_text

PIPELINE = "pipeline"
LOOP = "iterations"  # the name of a loop's one test
Key = tuple[str, str, str]


class Tally(msgspec.Struct, kw_only=True):
    """What a run tells of one test on one host. ``message`` is that of the worst, first failure.

    ``seconds`` are of all tries together; ``signatures`` are ids with their text.
    """

    suite: str
    host: str
    name: str
    counts: Counter[Outcome] = msgspec.field(default_factory=Counter)
    seconds: float = 0.0
    message: str = ""
    signatures: dict[str, str] = msgspec.field(default_factory=dict)
    worst: Outcome = Outcome.PASSED

    @property
    def key(self) -> Key:
        return (self.suite, self.host, self.name)

    @property
    def tries(self) -> int:
        return self.counts.total()

    @property
    def told(self) -> bool:
        """Whether anything was learnt of the test; what the lab broke or nobody tried says none."""
        silent = self.counts[Outcome.BROKEN] + self.counts[Outcome.SKIPPED]
        return self.tries > silent

    @property
    def bad(self) -> bool:
        return self.worst not in NEUTRAL

    def add(self, case: CaseResult) -> None:
        self.counts[case.outcome] += 1
        self.seconds += case.seconds
        if SEVERITY[case.outcome] > SEVERITY[self.worst]:
            self.worst, self.message = case.outcome, case.message
        if case.outcome not in NEUTRAL:
            name, text = signature_of(case)
            self.signatures.setdefault(name, text)

    def join(self, other: Tally) -> None:
        """Add what another run tells of the same test."""
        self.counts += other.counts
        self.seconds += other.seconds
        self.signatures |= other.signatures
        if SEVERITY[other.worst] > SEVERITY[self.worst]:
            self.worst, self.message = other.worst, other.message


def is_loop(case: CaseResult) -> bool:
    """Whether a case is one iteration of a loop."""
    return is_iteration(case.name)


def tallies(results: RunResults) -> list[Tally]:
    """Every test of a run, the steps of the pipeline included."""
    found = [_of_step(step) for step in results.steps if not step.name.startswith("suites/")]
    found += [_of_step(step) for step in results.failed_steps if step.name.startswith("suites/")]
    for suite in results.suites:
        found += _of_suite(suite)
    return found


def _of_suite(suite: SuiteResults) -> Iterator[Tally]:
    tests: dict[str, Tally] = {}
    for case in suite.cases:
        name = LOOP if is_loop(case) else case.name
        if name not in tests:
            tests[name] = Tally(suite=suite.suite, host=suite.host, name=name)
        tests[name].add(case)
    yield from tests.values()


def _of_step(step: StepResult) -> Tally:
    """A step that did not end well is the lab's or the product's, as it was recorded."""
    outcome = Outcome.PASSED
    if step.state != "done":
        outcome = Outcome.FAILED if step.blame == "product" else Outcome.BROKEN
    message = "" if outcome is Outcome.PASSED else step.message or "was cut before it ended"
    host = step.name.partition("/")[2].partition("/")[0]
    tally = Tally(suite=PIPELINE, host=host, name=step.name, seconds=step.seconds, worst=outcome)
    tally.counts[outcome] += 1
    tally.message = message
    if message:
        text = signature_text(message)
        tally.signatures[signature_id(text)] = text
    return tally
