"""The requirements of a policy: each has its settings and the one method ``judge``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias

from msgspec import Meta

from ci.errors import UsageError
from ci.gate.evidence import Evidence
from ci.gate.ruling import Ruling, Verdict, Waivers
from ci.model import Outcome, Record
from ci.report.results import CRASHES
from ci.report.tallies import LOOP, PIPELINE, Tally
from ci.report.wording import named, percent, tidy
from ci.stats.binomial import clean_loops_needed, lower_bound, upper_bound
from ci.stats.goal import parse_rate_goal


class NoNewSignature(Record, frozen=True, kw_only=True, tag_field="kind", tag="no-new-signature"):
    """No failure whose signature no earlier run has shown; the lab's failures are left out."""

    def judge(self, evidence: Evidence, waivers: Waivers) -> Ruling:
        new: dict[str, list[Tally]] = {}
        texts: dict[str, str] = {}
        for tally in evidence.now:
            for name, text in tally.signatures.items() if tally.counts[Outcome.FAILED] else ():
                if name not in evidence.known and not waivers.cover(tally, name):
                    new.setdefault(name, []).append(tally)
                    texts[name] = text
        said = [f"new signature {name}: {texts[name]} ({_where(new[name])})" for name in new]
        open_ = _nothing_ran(evidence, "") + _left_open(evidence, "", waivers)
        return _ruling("no new signature", failed=said, open_=open_)


class NoNewFailure(Record, frozen=True, kw_only=True, tag_field="kind", tag="no-new-failure"):
    """Nothing has failed that had not failed before, in ``suite`` ("": in every suite), and all
    that had a word before has one now."""

    suite: str = ""

    def judge(self, evidence: Evidence, waivers: Waivers) -> Ruling:
        failed: list[str] = []
        open_ = _nothing_ran(evidence, self.suite)
        crashes = _of(evidence.now, self.suite + CRASHES) if self.suite else []
        for tally in (*_of(evidence.now, self.suite), *crashes):
            then = evidence.before.get(tally.key) if evidence.before else None
            known = then is not None and then.counts[Outcome.FAILED]
            if tally.counts[Outcome.FAILED] and not known and not waivers.cover(tally):
                failed.append(f"newly failed: {_said(tally)}: {tidy(tally.message)}")
        open_ += _left_open(evidence, self.suite, waivers)
        return _ruling(f"no new failure in {self.suite or 'any suite'}", failed=failed, open_=open_)


class Parity(Record, frozen=True, kw_only=True, tag_field="kind", tag="parity"):
    """Every behaviour of ``suite`` that passed before passes now."""

    suite: str = "tck"

    def judge(self, evidence: Evidence, waivers: Waivers) -> Ruling:
        name = f"parity of {self.suite} is not reduced"
        if evidence.before is None:
            return _ruling(name, open_=["there is no finished run of another revision to compare"])
        now = {tally.key: tally for tally in evidence.now}
        failed: list[str] = []
        open_ = _nothing_ran(evidence, self.suite)
        held = [t for t in _of(evidence.before.values(), self.suite) if _holds(t)]
        if not held:
            open_.append(f"nothing of {self.suite} passed in {evidence.before_run}, so to compare")
        for then in held:
            tally = now.get(then.key)
            if tally is None:
                open_ += [] if waivers.cover(then) else [f"not run: {_said(then)}, passed before"]
            elif not _holds(tally) and not waivers.cover(tally):
                said = f"{tally.worst} now: {_said(then)}, passed before"
                (failed if tally.told else open_).append(said)
        return _ruling(name, failed=failed, open_=open_)


class Rate(Record, frozen=True, kw_only=True, tag_field="kind", tag="rate"):
    """The loop ``suite`` fails at a ``below`` rate ("0.5% @95%") on at least ``hosts`` hosts."""

    suite: str
    below: str
    hosts: Annotated[int, Meta(ge=1)] = 1

    def __post_init__(self) -> None:
        try:
            self.goal()
        except UsageError as error:  # as a ValueError the policy's file and line come to it
            raise ValueError(error.message) from None

    def goal(self) -> tuple[float, float]:
        """The rate and the confidence. Raises UsageError."""
        goal = parse_rate_goal(f"rate<{self.below}")
        return goal.bad, 1.0 - goal.alpha

    def judge(self, evidence: Evidence, waivers: Waivers) -> Ruling:
        bad, confidence = self.goal()
        name = f"{self.suite} fails below {percent(bad)} at {percent(confidence)}"
        name += f" on {self.hosts} host(s)" if self.hosts > 1 else ""
        shown, failed, open_ = 0, [], []
        for tally in _of(evidence.now, self.suite):
            if tally.name != LOOP:
                continue
            bad_count, tried = tally.counts[Outcome.FAILED], _tried(tally)
            said = f"{tally.host}: {bad_count} of {tried} failed"
            if not bad_count and (crashes := _crashes(evidence, tally, waivers)):
                failed.append(f"{said}, and crashed meanwhile: {', '.join(crashes)}")
                continue
            high = upper_bound(bad_count, tried, confidence) if tried else 1.0
            if high < bad:
                shown += 1
            elif tried and lower_bound(bad_count, tried, confidence) >= bad:
                failed.append(f"{said}: the rate is not below {percent(bad)}")
            else:
                open_.append(f"{said}: only below {percent(high)} is shown")
        if shown < self.hosts:
            needed = clean_loops_needed(bad, confidence)
            loops = f"{needed} loops without a failure show it"
            open_.append(f"shown on {shown} of {self.hosts} host(s); {loops}")
        elif not failed:
            open_ = []  # it is shown on as many hosts as were asked for
        return _ruling(name, failed=failed, open_=open_)


class Proven(Record, frozen=True, kw_only=True, tag_field="kind", tag="proven"):
    """Every host ran the very packages that were built: all modules match by build-id."""

    def judge(self, evidence: Evidence, waivers: Waivers) -> Ruling:
        failed, open_ = [], []
        for run in evidence.runs:
            if not run.deployments:
                open_.append(f"{run.id}: nothing was deployed")
            for one in run.deployments:
                wrong = [m.path for m in one.modules if m.build_id != m.expected]
                failed += [f"{run.id}: {one.host} runs another {path}" for path in wrong]
                if not one.modules:
                    open_.append(f"{run.id}: {one.host}: no running module was compared")
        return _ruling("what ran is what was built", failed=failed, open_=open_)


Requirement: TypeAlias = NoNewSignature | NoNewFailure | Parity | Rate | Proven


def _of(tallies: Iterable[Tally], suite: str) -> list[Tally]:
    return [t for t in tallies if (t.suite == suite if suite else t.suite != PIPELINE)]


def _crashes(evidence: Evidence, loop: Tally, waivers: Waivers) -> list[str]:
    """What crashed on the host of a loop while it ran."""
    beside = (t for t in _of(evidence.now, loop.suite + CRASHES) if t.host == loop.host)
    return [t.name for t in beside if t.counts[Outcome.FAILED] and not waivers.cover(t)]


def _left_open(evidence: Evidence, suite: str, waivers: Waivers) -> list[str]:
    """What the lab broke every time, and what had a word before and has none now."""
    now = {tally.key: tally for tally in _of(evidence.now, suite)}
    broken = [t for t in now.values() if t.bad and not t.told and not waivers.cover(t)]
    before = _of((evidence.before or {}).values(), suite)
    silent = [
        then
        for then in before
        if then.told
        and not then.suite.endswith(CRASHES)  # one that is gone is no test that was left out
        and (then.key not in now or now[then.key].worst is Outcome.SKIPPED)
    ]
    said = [f"broken by the lab: {_said(tally)}: {tidy(tally.message)}" for tally in broken]
    return said + [f"not tried now: {_said(t)}" for t in silent if not waivers.cover(t)]


def _holds(tally: Tally) -> bool:
    """Passed, whatever the lab broke beside it; a known deviation does not hold."""
    bad = (Outcome.FAILED, Outcome.UNSUPPORTED, Outcome.WAIVED)
    return tally.counts[Outcome.PASSED] > 0 and not any(tally.counts[one] for one in bad)


def _said(tally: Tally) -> str:
    return f"{tally.suite} on {tally.host}: {named(tally.name)}"


def _where(tallies: list[Tally]) -> str:
    first = tallies[0]
    more = f", and {len(tallies) - 1} more" if len(tallies) > 1 else ""
    return f"{_said(first)}{more}"


def _tried(tally: Tally) -> int:
    return tally.counts[Outcome.FAILED] + tally.counts[Outcome.PASSED]


def _nothing_ran(evidence: Evidence, suite: str) -> list[str]:
    tried = any(_tried(tally) for tally in _of(evidence.now, suite))
    return [] if tried else [f"nothing was tried in {suite or 'any suite'}"]


def _ruling(name: str, *, failed: Iterable[str] = (), open_: Iterable[str] = ()) -> Ruling:
    failed, open_ = tuple(failed), tuple(open_)
    verdict = Verdict.FAIL if failed else Verdict.INCONCLUSIVE if open_ else Verdict.PASS
    return Ruling(requirement=name, verdict=verdict, reasons=failed + open_)
