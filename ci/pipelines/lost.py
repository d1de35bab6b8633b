"""A host that is gone in the middle of a suite: whose fault, and what its suite still proves.

What a suite says of a machine that is not there is no verdict on the product: its ledger is cut
behind the last case that was not hit, as if the run had been killed there, and the rest is still to
be run. The whole ledger is kept beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ci.codec import from_json
from ci.deploy.console_troubles import Trouble
from ci.errors import InfraError, ProductError, VirtciError
from ci.journal import read
from ci.model import Access, CaseResult, Outcome, Record
from ci.pipelines.console import fatal_trouble
from ci.run import Failure, Run, Step, outcome_of

HIT = (Outcome.FAILED, Outcome.BROKEN)


@dataclass(frozen=True)
class Loss:
    """A machine that is gone. ``reached``: we were on it; ``back``: it is there again."""

    machine: str
    error: VirtciError
    reached: bool = False
    back: bool = False


@dataclass(frozen=True)
class Watch:
    """Looks whether a suite's host is still there. ``console`` are bytes recorded before it."""

    access: Access
    console: int
    is_up: Callable[[], bool]

    def raise_if_lost(self, step: Step) -> None:
        """Cut the suite's ledger and raise when the host is gone: the lab's fault, or a panic's."""
        if not self.access.port or step.deadline.stopped():
            return
        panic = fatal_trouble(self.access, self.console)
        if panic is None and self.is_up():
            return
        cut = cut_ledger(step.folder / "ledger.jsonl")
        if cut.cases:
            step.watcher.withdrawn(step.name, cut.cases, f"{self.access.name} was lost")
        raise loss_of(self.access.name, step.name, cut, panic)


class Cut(Record, frozen=True, kw_only=True):
    """What was taken out of a ledger, and where all of it is."""

    cases: tuple[CaseResult, ...] = ()
    kept: str = ""


def cut_ledger(ledger: Path) -> Cut:
    """Take the failures at the ledger's end out of it, and what was said behind them."""
    if not ledger.exists():
        return Cut()
    end, hit = _end_of_proof(ledger)
    if not hit:
        return Cut()
    number = len(list(ledger.parent.glob("ledger.lost-*.jsonl"))) + 1
    kept = ledger.with_name(f"ledger.lost-{number}.jsonl")
    shutil.copyfile(ledger, kept)
    with ledger.open("r+b") as file:
        for _ in range(end):
            file.readline()
        file.truncate(file.tell())
    return Cut(cases=tuple(hit), kept=kept.name)


def _end_of_proof(ledger: Path) -> tuple[int, list[CaseResult]]:
    """How many lines stay, and the cases behind them, every one of which failed or broke."""
    end = 0
    hit: list[CaseResult] = []
    for number, event in enumerate(read(ledger), 1):
        if event.what != "case":
            end = end or (number if event.what == "soak" else 0)
            continue
        case = from_json(event.data, CaseResult)
        if case.outcome in HIT:
            hit.append(case)
        else:
            end, hit = number, []
    return end, hit


def loss_of(host: str, what: str, cut: Cut, panic: Trouble | None) -> VirtciError:
    """The error to end the suite's step with: the lab's, unless the console shows a panic."""
    taken = f"; cases it spoilt, not counted: {len(cut.cases)} ({cut.kept})" if cut.cases else ""
    first = next((f"first of them: {case.name}: {case.message}" for case in cut.cases), "")
    if panic is None or panic.blame == "lab":
        return InfraError(
            f"{host} was lost in the middle of {what}{taken}",
            hint="see its console and its power; [lanes] moves = 1 lets the rest run elsewhere",
            detail=first,
        )
    return ProductError(
        f"{host} panicked in the middle of {what}: {panic.headline}{taken}",
        hint="the lines around it are in the suite `console` of this host",
        detail=f"{first}\n{panic.text}".strip(),
    )


def note_loss(run: Run, lane: str, loss: Loss, *, what: str = "lost") -> None:
    """Keep the loss as a failed step of its own, which no later success takes away."""
    before = {e.name for e in read(run.journal.path) if e.name.startswith(f"{what}/{lane}/")}
    name = f"{what}/{lane}/{len(before) + 1}"
    failure = Failure(
        blame=loss.error.blame,
        message=loss.error.message,
        hint=loss.error.hint,
        detail=loss.error.detail,
    )
    run.note("failed", name, failure)
    run.watcher.ended(name, outcome_of(loss.error), 0.0, again=True)
