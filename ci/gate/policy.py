"""A policy file: requirements and waivers; and the gate that judges by it."""

from __future__ import annotations

import datetime
from pathlib import Path

from ci.codec import decode, parse_toml, read_text
from ci.errors import InfraError, ProductError, UsageError
from ci.gate.evidence import Evidence
from ci.gate.requirements import Requirement
from ci.gate.ruling import Ruling, Verdict, Waiver, Waivers
from ci.model import Record

EXIT_CODES = {
    Verdict.PASS: 0,
    Verdict.FAIL: ProductError.exit_code,
    Verdict.INCONCLUSIVE: InfraError.exit_code,
}


class Policy(Record, frozen=True, kw_only=True):
    """What has to be shown, and what is waived."""

    require: tuple[Requirement, ...]
    waivers: tuple[Waiver, ...] = ()


class Decision(Record, frozen=True, kw_only=True):
    """The gate's word: the worst of its rulings. ``notes`` tell of waivers."""

    verdict: Verdict
    rulings: tuple[Ruling, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]


def load_policy(path: Path) -> Policy:
    """Read a policy. Raises UsageError that names file, line and key."""
    text = read_text(path)
    policy = decode(parse_toml(text, path), Policy, source=str(path), text=text)
    if not policy.require:
        raise UsageError(f"{path}: require: a policy without a requirement lets everything pass")
    return policy


def decide(policy: Policy, evidence: Evidence, today: datetime.date) -> Decision:
    """Judge every requirement; a run that did not come to its end proves nothing."""
    waivers = Waivers(policy.waivers, today)
    rulings = [_finished(evidence)]
    rulings += [requirement.judge(evidence, waivers) for requirement in policy.require]
    notes = [f"waived: {one}" for one in waivers.used]
    notes += [f"the waiver has expired: {one}" for one in waivers.expired]
    notes += [f"the waiver was not needed: {w}" for w in waivers.valid if w not in waivers.used]
    order = list(Verdict)
    verdict = max((ruling.verdict for ruling in rulings), key=order.index)
    return Decision(verdict=verdict, rulings=tuple(rulings), notes=tuple(notes))


def _finished(evidence: Evidence) -> Ruling:
    """Failed steps of the product fail, whatever the policy asks; all others leave it open."""
    failed = tuple(
        f"{run.id}: {step.name}: {step.message}"
        for run in evidence.runs
        for step in run.failed_steps
        if step.blame == "product"
    )
    cut = tuple(f"{run.id} did not come to its end" for run in evidence.runs if not run.finished)
    cut += tuple(
        f"{run.id}: {step.name}: {step.message}"
        for run in evidence.runs
        for step in run.failed_steps
        if step.blame != "product"
    )
    verdict = Verdict.FAIL if failed else Verdict.INCONCLUSIVE if cut else Verdict.PASS
    return Ruling(requirement="every run was whole", verdict=verdict, reasons=failed + cut)
