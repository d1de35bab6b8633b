"""The search itself: choose a build, run it, believe, until sure enough or out of runs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from ci.crash.bisect.posterior import Belief, Counts, Prior, believe, choose, suspects
from ci.model import Record


class Verdict(enum.StrEnum):
    """What one run of a build showed."""

    GOOD = "good"
    BAD = "bad"
    UNTESTABLE = "untestable"  # it does not build, install or start


class Aims(Record, frozen=True, kw_only=True):
    """When to stop, and how many runs a visit to a build has.

    A visit costs a deployment, so several runs are made of it; the first failure ends it.
    """

    confidence: float = 0.95
    most_runs: int = 1000
    runs_a_visit: int = 10
    prior: Prior = Prior()


class Answer(Record, frozen=True, kw_only=True):
    """``first_bad`` are indexes of builds, several when untestable ones hide which; empty when
    none is bad. ``sure`` says whether the confidence aimed at was reached."""

    first_bad: tuple[int, ...]
    chance: float
    sure: bool
    runs: int
    weights: tuple[float, ...]
    rate: float

    def none_is_bad(self, builds: int) -> bool:
        return self.first_bad == (builds,)


@dataclass
class Search:
    """The state of a search; ``noted`` rebuilds it from what was recorded."""

    builds: int
    aims: Aims
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.counts = Counts.none(self.builds)

    def noted(self, build: int, verdict: Verdict) -> None:
        """One run's verdict."""
        match verdict:
            case Verdict.GOOD:
                self.counts.passed[build] += 1
            case Verdict.BAD:
                self.counts.failed[build] += 1
            case Verdict.UNTESTABLE:
                self.counts.untestable.add(build)

    def belief(self) -> Belief:
        return believe(self.counts, self.aims.prior)

    def next_build(self) -> int | None:
        """Where to run next; None when the search is over."""
        belief = self.belief()
        _, chance = suspects(belief, self.counts)
        if chance >= self.aims.confidence or self.counts.runs >= self.aims.most_runs:
            return None
        return choose(belief, self.counts, self.aims.runs_a_visit)

    def answer(self) -> Answer:
        belief = self.belief()
        first, chance = suspects(belief, self.counts)
        return Answer(
            first_bad=first,
            chance=chance,
            sure=chance >= self.aims.confidence,
            runs=self.counts.runs,
            weights=belief.weights,
            rate=belief.bad[first[0]],
        )


def search(
    state: Search, run: Callable[[int], Verdict], note: Callable[[int, Verdict], None]
) -> Answer:
    """Search to the end. ``run`` runs a build once; ``note`` makes its verdict durable."""
    while (build := state.next_build()) is not None:
        for _ in range(state.aims.runs_a_visit):
            verdict = run(build)
            note(build, verdict)
            state.noted(build, verdict)
            if verdict is not Verdict.GOOD:
                break
    return state.answer()
