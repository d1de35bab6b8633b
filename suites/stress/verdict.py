"""What the loop has shown: PASS, FAIL or INCONCLUSIVE, with the rate and its interval."""

from __future__ import annotations

from ci.errors import InfraError, ProductError
from ci.model import CaseResult, Outcome, Record
from suites.stress.aim import Aim
from suites.stress.totals import Totals

PASS = "PASS"  # noqa: S105 - a verdict, no password
FAIL = "FAIL"
INCONCLUSIVE = "INCONCLUSIVE"
LEAKS, AIM = "leaks", "aim"  # names of cases beside the iterations
EXIT_CODES = {PASS: 0, FAIL: ProductError.exit_code, INCONCLUSIVE: InfraError.exit_code}


class Verdict(Record, frozen=True, kw_only=True):
    """``text`` is the verdict for people; ``leaks`` are sentences, each of which fails;
    ``remarks`` say what was done otherwise than it was asked for, and fail nothing."""

    outcome: str
    iterations: int
    passed: int
    failed: int
    broken: int
    unsupported: int
    seconds: float
    text: str
    reasons: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]


def conclude(
    totals: Totals,
    aim: Aim,
    *,
    unseen: tuple[str, ...] = (),
    stopped: str = "",
    leaks: tuple[str, ...] = (),
    remarks: tuple[str, ...] = (),
) -> Verdict:
    """A failure fails, whatever came after it. To pass, all that was asked for has to be shown.

    ``unseen`` says what could not be looked at there.
    """
    failed, passed = totals.of(Outcome.FAILED), totals.of(Outcome.PASSED)
    complete = aim.complete(failed, passed, totals.iterations, totals.seconds)
    whole = complete and passed == totals.iterations and passed > 0
    outcome = FAIL if failed or leaks else PASS if whole else INCONCLUSIVE
    return Verdict(
        outcome=outcome,
        iterations=totals.iterations,
        passed=passed,
        failed=failed,
        broken=totals.of(Outcome.BROKEN),
        unsupported=totals.of(Outcome.UNSUPPORTED),
        seconds=totals.seconds,
        text="; ".join(
            _statement(
                outcome, totals, aim, unseen=(*unseen, *remarks), stopped=stopped, leaks=leaks
            )
        ),
        reasons=tuple(totals.reasons),
        leaks=leaks,
        remarks=remarks,
    )


def as_cases(
    verdict: Verdict, *, suite: str, host: str, known: set[str], interrupted: bool
) -> list[CaseResult]:
    """What no iteration shows and reports must: leaks, and an aim that was not reached.

    A loop that somebody has interrupted goes on later; its aim is not judged yet.
    ``known`` are such cases of before; an aim that is reached now replaces the one that was not.
    """
    cases = []
    if verdict.leaks:
        text = "; ".join(verdict.leaks)
        cases.append(
            CaseResult(suite=suite, name=LEAKS, host=host, outcome=Outcome.FAILED, message=text)
        )
    if verdict.outcome == INCONCLUSIVE and not verdict.broken and not interrupted:
        text = verdict.text
        cases.append(
            CaseResult(suite=suite, name=AIM, host=host, outcome=Outcome.BROKEN, message=text)
        )
    elif AIM in known:
        cases.append(CaseResult(suite=suite, name=AIM, host=host, outcome=Outcome.PASSED))
    return cases


def _statement(
    outcome: str,
    totals: Totals,
    aim: Aim,
    *,
    unseen: tuple[str, ...],
    stopped: str,
    leaks: tuple[str, ...],
) -> list[str]:
    failed, passed = totals.of(Outcome.FAILED), totals.of(Outcome.PASSED)
    said = [f"{outcome}: {failed}/{failed + passed} failed: {aim.shown(failed, passed)}"]
    said += [
        f"{count} {outcome}, counted as nothing"
        for outcome in (Outcome.BROKEN, Outcome.UNSUPPORTED)
        if (count := totals.of(outcome))
    ]
    said += [*unseen, *leaks]
    if stopped:
        said.append(f"stopped early: {stopped}")
    if totals.reasons:
        said.append(f"first: {totals.reasons[0]}")
    return said
