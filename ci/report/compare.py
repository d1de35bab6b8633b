"""Two runs of the same plan, side by side: what is another, what broke, what was fixed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ci.codec import from_json
from ci.errors import VirtciError
from ci.journal import read
from ci.model import Outcome, Record
from ci.report.damage import damage_named
from ci.report.loading import load
from ci.report.packages import PackagesSince, packages_since
from ci.report.results import RunHeader, RunResults
from ci.report.tallies import Key, Tally, tallies

LOOKED_AT = 30


class Difference(Record, frozen=True, kw_only=True):
    """``facts`` are (what, then, now). The tests are those of the later run; ``packages`` are all
    those of its hosts."""

    before: str
    was_good: bool
    facts: tuple[tuple[str, str, str], ...]
    broke: tuple[Tally, ...]
    still: tuple[Tally, ...]
    fixed: tuple[Tally, ...]
    new_signatures: frozenset[str]
    gone: tuple[Key, ...]
    packages: tuple[PackagesSince, ...] = ()


def earlier_run(folder: Path, results: RunResults) -> RunResults | None:
    """The last good run of the same plan before this one; else the last that ended; else none."""
    ended: RunResults | None = None
    for found in finished_before(folder, results):
        if found.outcome is Outcome.PASSED:
            return found
        ended = ended or found
    return ended


def finished_before(
    folder: Path, results: RunResults, limit: int = LOOKED_AT
) -> Iterator[RunResults]:
    """The finished runs of the same plan beside and before this one, newest first, as read."""
    here = folder.absolute()
    others = sorted((p.parent for p in here.parent.glob("*/journal.jsonl")), reverse=True)
    for other in [path for path in others if path.name < here.name][:limit]:
        found = _same_plan(other, results)
        if found is not None:
            yield found


def _same_plan(folder: Path, results: RunResults) -> RunResults | None:
    try:
        first = next(iter(read(folder / "journal.jsonl")), None)
        if first is None or first.what != "run":
            return None
        with damage_named(folder):
            plan = from_json(first.data, RunHeader).plan
        if Path(plan).name != Path(results.header.plan).name:
            return None
        found = load(folder)
    except VirtciError:
        return None  # an unreadable neighbour is that neighbour's trouble
    return found if found.finished else None


def compare(before: RunResults, now: RunResults) -> Difference:
    """What the later run has to say about each test of the earlier one, and about itself."""
    then = {tally.key: tally for tally in tallies(before)}
    today = {tally.key: tally for tally in tallies(now)}
    bad = [tally for tally in today.values() if tally.bad]
    known = {signature for tally in then.values() for signature in tally.signatures}
    return Difference(
        before=before.id,
        was_good=before.outcome is Outcome.PASSED,
        facts=tuple(_facts(before, now)),
        broke=tuple(t for t in bad if t.key not in then or not then[t.key].bad),
        still=tuple(t for t in bad if t.key in then and then[t.key].bad),
        fixed=tuple(t for t in today.values() if not t.bad and t.key in then and then[t.key].bad),
        new_signatures=frozenset(s for t in bad for s in t.signatures if s not in known),
        gone=tuple(key for key in then if key not in today),
        packages=packages_since(before, now),
    )


def revision_tuple(results: RunResults) -> dict[str, str]:
    """What was tested: source, packages, and per host kernel, hypervisor and libvirt."""
    facts = {"source": "", "packages": "", "virtci": results.header.virtci}
    if results.tree is not None:
        facts["source"] = results.tree.revision + ("+uncommitted" if results.tree.dirty else "")
    if results.build is not None:
        facts["packages"] = " ".join(rpm.nevra for rpm in results.build.rpms if not rpm.debug)
    for deployment in results.deployments:
        facts[f"kernel on {deployment.host}"] = deployment.kernel
        facts[f"hypervisor on {deployment.host}"] = deployment.hypervisor_version
        facts[f"libvirt on {deployment.host}"] = deployment.libvirt_version
    return {name: value for name, value in facts.items() if value}


def _facts(before: RunResults, now: RunResults) -> list[tuple[str, str, str]]:
    then, today = revision_tuple(before), revision_tuple(now)
    then["plan"], today["plan"] = before.header.plan_digest, now.header.plan_digest
    return [
        (name, then.get(name, "-"), today.get(name, "-"))
        for name in dict.fromkeys((*then, *today))
        if then.get(name) != today.get(name)
    ]
