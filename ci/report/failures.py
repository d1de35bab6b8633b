"""The failures of a run, one group per signature: what to look at first stands first."""

from __future__ import annotations

import msgspec

from ci.model import SEVERITY, CaseResult, Outcome
from ci.report.results import NEUTRAL, RunResults, StepResult
from ci.report.signature import signature_id, signature_of, signature_text
from ci.report.tallies import PIPELINE
from ci.report.xml_text import printable

EVIDENCE_LINES = 12
NAMES_KEPT = 12
GROUPS_KEPT = 200
LINE = 300
REST = "rest"


class Failures(msgspec.Struct, kw_only=True):
    """All failures with one signature. ``evidence`` are the first telling lines of the first."""

    signature: str
    text: str
    outcome: Outcome
    blame: str
    first: str
    message: str
    count: int = 0
    names: list[str] = []
    places: list[str] = []
    evidence: list[str] = []
    files: list[str] = []

    def add(self, name: str, place: str, files: tuple[str, ...]) -> None:
        self.count += 1
        if name not in self.names and len(self.names) < NAMES_KEPT:
            self.names.append(name)
        if place not in self.places:
            self.places.append(place)
        self.files += [file for file in files if len(self.files) < NAMES_KEPT]


def failures(results: RunResults) -> list[Failures]:
    """Failed steps first, then product before lab, then the most frequent."""
    groups: dict[str, Failures] = {}
    for step in results.failed_steps:
        _add_step(groups, step)
    for suite in results.suites:
        if any(suite.counts[outcome] for outcome in Outcome if outcome not in NEUTRAL):
            for case in suite.cases:
                if case.outcome not in NEUTRAL:
                    _add_case(groups, case, f"{suite.suite} on {suite.host}")
    return sorted(
        groups.values(),
        key=lambda g: (
            PIPELINE not in g.places,
            SEVERITY[g.outcome],
            g.signature == REST,
            -g.count,
        ),
    )


def _add_step(groups: dict[str, Failures], step: StepResult) -> None:
    text = signature_text(step.message)
    outcome = Outcome.BROKEN if step.blame == "lab" else Outcome.FAILED
    group = groups.setdefault(
        f"{signature_id(text)}{outcome}",
        Failures(
            signature=signature_id(text),
            text=text,
            outcome=outcome,
            blame=step.blame,
            first=step.name,
            message=step.message,
            evidence=telling(step.detail),
        ),
    )
    group.add(step.name, PIPELINE, ())


def _add_case(groups: dict[str, Failures], case: CaseResult, place: str) -> None:
    signature, text = signature_of(case)
    key = f"{signature}{case.outcome}"
    if key not in groups and len(groups) >= GROUPS_KEPT:
        key, signature, text = REST, REST, "further failures, each unlike the others"
    if key not in groups:
        groups[key] = Failures(
            signature=signature,
            text=text,
            outcome=case.outcome,
            blame="lab" if case.outcome is Outcome.BROKEN else "product",
            first=case.name,
            message=case.message,
            evidence=telling(case.detail),
        )
    groups[key].add(case.name, place, case.files)


def telling(detail: str) -> list[str]:
    """The lines of evidence to show first: those that name an error, and what stands around."""
    lines = [printable(line)[:LINE] for line in detail.splitlines() if line.strip(" ^~")]
    if len(lines) <= EVIDENCE_LINES:
        return lines
    marks = ("error", "fatal", "panic", "abort", "assert", "traceback", "segfault", "E   ")
    hits = [n for n, line in enumerate(lines) if any(mark in line.lower() for mark in marks)]
    start = max(0, min(hits[0] - 2, len(lines) - EVIDENCE_LINES)) if hits else 0
    shown = lines[start : start + EVIDENCE_LINES]
    before = [f"[{start} lines before]"] if start else []
    after = len(lines) - start - len(shown)
    return [*before, *shown, *([f"[{after} more lines]"] if after else [])]
