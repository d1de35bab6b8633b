"""What runs of builds say about the first bad one, when a bad build fails only now and then.

Builds are in order, oldest first. The hypotheses are "the first bad build is number b", b from 0
(all are bad) to n (none is). A good build fails at a rate near zero, a bad one at an unknown rate;
both have Beta priors that are integrated out, so nobody has to know the rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ci.model import Record


class Prior(Record, frozen=True, kw_only=True):
    """Beta priors of the two failure rates; the defaults fit a crash that has a name.

    ``bad_alpha / (bad_alpha + bad_beta)`` is the rate that is expected of a bad build.
    """

    good_alpha: float = 0.1
    good_beta: float = 300.0
    bad_alpha: float = 1.0
    bad_beta: float = 9.0


def prior_for_rate(rate: float, weight: float = 3.0) -> Prior:
    """The prior when the rate was measured: as if ``weight`` failures had been seen at it."""
    return Prior(bad_alpha=weight, bad_beta=weight * (1 - rate) / rate)


@dataclass
class Counts:
    """Runs and failures of each build so far. ``untestable`` ones cannot be run at all."""

    passed: list[int]
    failed: list[int]
    untestable: set[int] = field(default_factory=set)

    @classmethod
    def none(cls, builds: int) -> Counts:
        return cls([0] * builds, [0] * builds)

    @property
    def runs(self) -> int:
        return sum(self.passed) + sum(self.failed)


@dataclass(frozen=True)
class Belief:
    """The posterior: ``weights[b]`` is the chance that b is the first bad build (n: none is).

    ``good[b]`` and ``bad[b]`` are the expected failure rates on both sides if b is.
    """

    weights: tuple[float, ...]
    good: tuple[float, ...]
    bad: tuple[float, ...]

    def entropy(self) -> float:
        """Bits that are missing to certainty."""
        return -sum(w * math.log2(w) for w in self.weights if w > 0)


def believe(counts: Counts, prior: Prior, weights: Sequence[float] = ()) -> Belief:
    """Bayes' rule. ``weights`` say beforehand which builds are suspect; default: all alike."""
    builds = len(counts.passed)
    all_passed, all_failed = sum(counts.passed), sum(counts.failed)
    logs, good, bad = [], [], []
    passed = failed = 0  # of the builds before b, the good ones
    for b in range(builds + 1):
        rest_passed, rest_failed = all_passed - passed, all_failed - failed
        before = math.log(weights[b]) if weights and weights[b] > 0 else 0.0
        logs.append(
            before
            + _log_evidence(failed, passed, prior.good_alpha, prior.good_beta)
            + _log_evidence(rest_failed, rest_passed, prior.bad_alpha, prior.bad_beta)
        )
        good.append(_mean(failed, passed, prior.good_alpha, prior.good_beta))
        bad.append(_mean(rest_failed, rest_passed, prior.bad_alpha, prior.bad_beta))
        if b < builds:
            passed += counts.passed[b]
            failed += counts.failed[b]
    return Belief(_normalised(logs), tuple(good), tuple(bad))


def choose(belief: Belief, counts: Counts, runs: int) -> int | None:
    """The build whose next ``runs`` runs are expected to tell most; None when none can."""
    best, choice = belief.entropy() - 1e-9, None
    for build in range(len(counts.passed)):
        if build in counts.untestable:
            continue
        expected = _expected_entropy(belief, build, runs)
        if expected < best:
            best, choice = expected, build
    return choice


def _expected_entropy(belief: Belief, build: int, runs: int) -> float:
    """After a visit: all runs pass, or one fails."""
    passing = [
        (1 - (bad if b <= build else good)) ** runs
        for b, (good, bad) in enumerate(zip(belief.good, belief.bad, strict=True))
    ]
    total = 0.0
    for outcome in (passing, [1 - chance for chance in passing]):
        joint = [w * chance for w, chance in zip(belief.weights, outcome, strict=True)]
        mass = sum(joint)
        if mass > 0:
            total += mass * math.log2(mass) - sum(j * math.log2(j) for j in joint if j > 0)
    return total


def suspects(belief: Belief, counts: Counts) -> tuple[tuple[int, ...], float]:
    """The likeliest first bad build with its chance; several when no run can tell them apart.

    Builds that cannot be tested hide which of them, or the next one, it is.
    """
    builds = len(counts.passed)
    groups: list[list[int]] = []
    for b in range(builds + 1):
        if groups and b > 0 and b - 1 in counts.untestable:
            groups[-1].append(b)
        else:
            groups.append([b])
    chances = [sum(belief.weights[b] for b in group) for group in groups]
    best = max(range(len(groups)), key=chances.__getitem__)
    return tuple(groups[best]), chances[best]


def _log_evidence(failed: int, passed: int, alpha: float, beta: float) -> float:
    return _log_beta(alpha + failed, beta + passed) - _log_beta(alpha, beta)


def _mean(failed: int, passed: int, alpha: float, beta: float) -> float:
    return (alpha + failed) / (alpha + beta + failed + passed)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _normalised(logs: Sequence[float]) -> tuple[float, ...]:
    top = max(logs)
    weights = [math.exp(value - top) for value in logs]
    total = sum(weights)
    return tuple(weight / total for weight in weights)
