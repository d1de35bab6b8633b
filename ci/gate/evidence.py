"""What a gate looks at: the runs of one revision, and what was known before them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ci.codec import from_json
from ci.errors import UsageError, VirtciError
from ci.journal import read
from ci.model import Outcome, Record
from ci.report.damage import damage_named
from ci.report.loading import load
from ci.report.results import RunHeader, RunResults
from ci.report.tallies import Key, Tally, tallies

LOOKED_AT = 30


class Evidence(Record, frozen=True, kw_only=True):
    """``runs`` are of the same source and packages, newest first; ``before`` are the tests of the
    last finished runs of another revision, back to one that the lab left whole, each as it was
    last told of (None: there are none); ``known`` all signatures that any earlier run has shown."""

    runs: tuple[RunResults, ...]
    now: tuple[Tally, ...]
    before: dict[Key, Tally] | None
    before_run: str
    known: frozenset[str]


def of_run(folder: Path) -> Evidence:
    """The evidence that one run gives."""
    run = load(folder)
    return _evidence((run,), list(_earlier(folder.absolute().parent, run)))


def of_plan(plan: Path, runs: Path) -> Evidence:
    """The evidence of all runs of the plan's newest revision. Raises UsageError without any."""
    found = list(_of_plan(runs, plan.name))
    if not found:
        raise UsageError(f"there is no run of {plan.name} in {runs}", hint=f"virtci run {plan}")
    same = tuple(run for run in found if _revision(run) == _revision(found[0]))
    others = [run for run in found if _revision(run) != _revision(found[0])]
    return _evidence(same, others)


def _evidence(runs: tuple[RunResults, ...], earlier: list[RunResults]) -> Evidence:
    before = list(_baseline(earlier))
    seen = {name for run in earlier for tally in tallies(run) for name in tally.signatures}
    return Evidence(
        runs=runs,
        now=_worst_of(runs),
        before=_last_told(before) if before else None,
        before_run=before[-1].id if before else "",
        known=frozenset(seen),
    )


def _baseline(earlier: list[RunResults]) -> Iterator[RunResults]:
    """A run that the lab broke is no measure by itself: the runs before it are asked too."""
    for run in earlier:
        if run.finished and not run.refused:
            yield run
            if run.outcome is not Outcome.BROKEN:
                return


def _last_told(before: list[RunResults]) -> dict[Key, Tally]:
    """Each test as the newest run that had a word on it knows it."""
    found: dict[Key, Tally] = {}
    for run in before:
        for tally in tallies(run):
            if tally.key not in found or not found[tally.key].told:
                found[tally.key] = tally
    return found


def _worst_of(runs: tuple[RunResults, ...]) -> tuple[Tally, ...]:
    """Each test once, its counts of all runs added up."""
    found: dict[Key, Tally] = {}
    for run in runs:
        for tally in tallies(run):
            if tally.key in found:
                found[tally.key].join(tally)
            else:
                found[tally.key] = tally
    return tuple(found.values())


def _earlier(runs: Path, run: RunResults) -> Iterator[RunResults]:
    for other in _of_plan(runs, Path(run.header.plan).name):
        if other.started < run.started and _revision(other) != _revision(run):
            yield other


def _of_plan(runs: Path, plan: str) -> Iterator[RunResults]:
    """The newest runs of a plan, newest first; what cannot be read is left out."""
    count = 0
    for journal in sorted(runs.glob("*/journal.jsonl"), reverse=True):
        try:
            first = next(iter(read(journal)), None)
            if first is None or first.what != "run":
                continue
            with damage_named(journal):
                header = from_json(first.data, RunHeader)
            if Path(header.plan).name != plan:
                continue
            yield load(journal.parent)
        except VirtciError:
            continue  # a damaged neighbour proves nothing, either way
        count += 1
        if count >= LOOKED_AT:
            return


def _revision(run: RunResults) -> tuple[str, ...]:
    """A run that neither fetched nor built anything is of a revision of its own."""
    if run.tree is None and run.build is None:
        return (run.id,)
    source = f"{run.tree.revision} {run.tree.digest}" if run.tree else ""
    packages = tuple(rpm.sha256 for rpm in run.build.rpms) if run.build else ()
    return (source, *packages)
