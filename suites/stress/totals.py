"""What iterations add up to."""

from __future__ import annotations

import msgspec

from ci.model import CaseResult, Outcome

REASONS_KEPT = 10


class Totals(msgspec.Struct):
    """What the iterations so far add up to. ``reasons`` are the first failures, one line each."""

    iterations: int = 0
    counts: dict[str, int] = {}
    seconds: float = 0.0
    reasons: list[str] = []

    def add(self, case: CaseResult) -> None:
        self.iterations += 1
        self.counts[case.outcome] = self.counts.get(case.outcome, 0) + 1
        self.seconds += case.seconds
        if case.outcome is not Outcome.PASSED and len(self.reasons) < REASONS_KEPT:
            self.reasons.append(f"{case.name}: {case.message}")

    def of(self, outcome: Outcome) -> int:
        return self.counts.get(outcome, 0)
