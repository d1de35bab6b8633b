"""When a loop may stop, and what it has shown by then."""

from __future__ import annotations

from dataclasses import dataclass

from ci.errors import UsageError
from ci.stats import fisher
from ci.stats.binomial import interval, upper_bound
from ci.stats.goal import CONFIDENCE, Before, parse_before, parse_rate_goal
from ci.stats.sprt import Decision, Sprt


def percent(rate: float) -> str:
    """A rate for people: ``0.5 %``."""
    share = rate * 100
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


@dataclass(frozen=True)
class Aim:
    """A count, a time, a rate to be shown, a difference to be shown; the first that is reached.

    Zero and None mean: not asked for. ``loops`` are iterations that passed or failed.
    """

    loops: int = 0
    seconds: float = 0.0
    rate: Sprt | None = None
    before: Before | None = None

    @classmethod
    def parse(cls, *, loops: int, seconds: float, until: str, against: str) -> Aim:
        """Read what the user asked for. Raises UsageError."""
        aim = cls(
            loops=loops,
            seconds=seconds,
            rate=parse_rate_goal(until) if until else None,
            before=parse_before(against) if against else None,
        )
        if aim == cls():
            raise UsageError(
                "the loop was not told when to stop",
                hint="say -n LOOPS, --time 8h, --until 'rate<0.5% @95%' or --against 3/100",
            )
        return aim

    @property
    def confidence(self) -> float:
        return 1.0 - self.rate.alpha if self.rate else CONFIDENCE

    def clean_loops_needed(self) -> int:
        """Loops without a failure until all that is asked for is shown."""
        needed = self.loops if not (self.rate or self.before) else 0
        if self.rate:
            needed = max(needed, self.rate.clean_loops_needed())
        if self.before:
            before = self.before
            needed = max(
                needed, fisher.clean_loops_needed(before.failed, before.loops, self.confidence)
            )
        return needed

    def plan(self) -> tuple[str, ...]:
        """What will be needed, one sentence each; said before anything is done."""
        said = []
        if self.rate:
            said.append(
                f"{self.rate.clean_loops_needed()} loops without a failure show a rate below "
                f"{percent(self.rate.bad)} at {percent(self.confidence)} confidence"
            )
        if self.before:
            before = self.before
            needed = fisher.clean_loops_needed(before.failed, before.loops, self.confidence)
            said.append(
                f"{needed} loops without a failure are significantly better than "
                f"{before.failed}/{before.loops} before (Fisher, one-sided, "
                f"{percent(self.confidence)})"
            )
        if self.loops:
            bound = percent(upper_bound(0, self.loops, self.confidence))
            said.append(
                f"{self.loops} loops, all without a failure, show a rate below {bound} "
                f"at {percent(self.confidence)} confidence"
            )
        if self.seconds:
            said.append(f"the loop ends after {self.seconds:g} s of iterations at the latest")
        return tuple(said)

    def reached(self, failed: int, passed: int, iterations: int, seconds: float) -> bool:
        """Whether the loop may stop."""
        if self.loops and iterations >= self.loops:
            return True
        if self.seconds and seconds >= self.seconds:
            return True
        return bool((self.rate or self.before) and self.decision(failed, passed) != Decision.OPEN)

    def decision(self, failed: int, passed: int) -> Decision:
        """What is clear about the rate and the difference that were asked for."""
        found = [self.rate.decide(failed, passed)] if self.rate else []
        if self.before:
            better = passed >= self.clean_loops_needed() and not failed
            found.append(Decision.BAD if failed else Decision.GOOD if better else Decision.OPEN)
        if Decision.BAD in found:
            return Decision.BAD
        return Decision.OPEN if Decision.OPEN in found else Decision.GOOD

    def complete(self, failed: int, passed: int, iterations: int, seconds: float) -> bool:
        """Whether everything that was asked for has been done."""
        if self.rate or self.before:
            return self.decision(failed, passed) is not Decision.OPEN
        return self.reached(failed, passed, iterations, seconds)

    def shown(self, failed: int, passed: int) -> str:
        """The rate with its interval, and the difference; for the verdict."""
        loops, confidence = failed + passed, self.confidence
        if not loops:
            return "nothing is known about the rate"
        if failed:
            low, high = interval(failed, loops, confidence)
            said = (
                f"rate {percent(failed / loops)} "
                f"({percent(low)} to {percent(high)} at {percent(confidence)})"
            )
        else:
            bound = percent(upper_bound(0, loops, confidence))
            said = f"rate < {bound} at {percent(confidence)}"
        return said + self._difference(failed, loops) + self._missing(failed, passed)

    def _difference(self, failed: int, loops: int) -> str:
        if not self.before:
            return ""
        before = self.before
        p_value = fisher.p_value_fewer(failed, loops, before.failed, before.loops)
        word = "significant" if p_value <= 1.0 - self.confidence else "not significant"
        return f"; before {before.failed}/{before.loops}: difference {word}, p = {p_value:.2g}"

    def _missing(self, failed: int, passed: int) -> str:
        if not (self.rate or self.before) or self.decision(failed, passed) is not Decision.OPEN:
            return ""
        more = self.clean_loops_needed() - passed
        if self.rate and failed:
            more = self.rate.clean_loops_after(failed, passed)
        return f"; {more} more loops without a failure would decide"
