"""Why a package is as it is: what is asked of the service for it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

import msgspec

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.obs import queries
from ci.obs.door import Door, NotThere, Refused, Unreachable, osc_command
from ci.obs.explain import Explanation, explain
from ci.obs.results import Built, PackageState, Reason
from ci.obs.sources import Directory, Revision
from ci.obs.target import Package, Place

HISTORY = 50


@dataclass(frozen=True)
class Why:
    """The explanation with its history. ``since`` is the first bad build after a good one."""

    explanation: Explanation
    good: Built | None = None
    since: Built | None = None
    revision: Revision | None = None
    changed: str = ""
    diff: str = ""


def states(
    door: Door, deadline: Deadline, package: Package, place: Place | None = None
) -> tuple[PackageState, ...]:
    """The states in every place, or in one. Raises UsageError with near spellings."""
    places = () if place is None else (place,)
    try:
        results = queries.results(door, deadline, package.project, (package.package,), places)
    except NotThere as error:
        raise UsageError(
            f"{door.apiurl} has no {package}: {error.message.rpartition(': ')[2]}",
            hint=_near(door, deadline, package),
        ) from None
    found = results.packages if results else ()
    if not found:
        where = f" in {place}" if place else " in any repository"
        hint = f"the repositories: {osc_command(door)} repositories {package.project}"
        raise UsageError(f"{package} is not built{where}", hint=hint)
    return found


def why(door: Door, deadline: Deadline, package: Package, state: PackageState) -> Why:
    """Ask for everything that explains a state. What cannot be had is left out."""
    place = Place(repository=state.repository, arch=state.arch)
    log = queries.build_log(door, deadline, package, place) if state.code == "failed" else ""
    state = _with_service_error(door, deadline, package, state)
    told = _with_siblings(door, deadline, explain(state, log, osc=osc_command(door)))
    if state.code == "succeeded":
        return Why(told)
    history = _history(door, deadline, package, place)
    good, bad = _turn(history)
    revisions = _revisions(door, deadline, package)
    return Why(
        told,
        good=good,
        since=bad,
        revision=_revision_of(bad.rev if bad else "", revisions),
        changed=_changed(door, deadline, package, place, good),
        diff=_diff(door, deadline, package, good),
    )


def _with_service_error(
    door: Door, deadline: Deadline, package: Package, state: PackageState
) -> PackageState:
    """The scheduler cuts a service's error short; the sources have it in full."""
    if state.code != "broken" or "service" not in state.details:
        return state
    found: Directory | None = None
    try:
        found = queries.directory(door, deadline, package, expand=False)
    except (UsageError, InfraError):
        return state
    if not found.service_error or found.service != "failed":
        return state
    details = f"service error: {found.service_error}"
    return PackageState(
        project=state.project,
        repository=state.repository,
        arch=state.arch,
        package=state.package,
        code=state.code,
        details=details,
    )


def _with_siblings(door: Door, deadline: Deadline, told: Explanation) -> Explanation:
    """What is missing may be a package of the same project that has not built either."""
    if told.shape != "build-requirement-missing":
        return told
    project = told.state.project
    try:
        known = {entry.name for entry in queries.names(door, deadline, f"/source/{project}")}
    except (UsageError, InfraError):
        return told
    missing = re.findall(r"nothing provides ([^\s,<>=]+)", told.state.details)
    if not (siblings := [name for name in dict.fromkeys(missing) if name in known]):
        return told
    text = f"{' and '.join(siblings)}: of this project itself, and not built in {told.state.where}."
    asked = tuple(f"virtci obs why {project}/{name} {told.state.where}" for name in siblings)
    return msgspec.structs.replace(told, cause=text, do=(*asked, *told.do), retry="later")


def _history(door: Door, deadline: Deadline, package: Package, place: Place) -> tuple[Built, ...]:
    try:
        return queries.job_history(
            door, deadline, package.project, place, packages=(package.package,), limit=HISTORY
        )
    except (NotThere, Refused, Unreachable):
        return ()


def _turn(history: tuple[Built, ...]) -> tuple[Built | None, Built | None]:
    """The last good build, and the first bad one after it."""
    good = max(
        (n for n, b in enumerate(history) if b.code in ("succeeded", "unchanged")), default=-1
    )
    bad = next((b for b in history[good + 1 :] if b.code == "failed"), None)
    return (history[good] if good >= 0 else None), bad


def _revisions(door: Door, deadline: Deadline, package: Package) -> tuple[Revision, ...]:
    try:
        return queries.revisions(door, deadline, package)
    except (UsageError, Refused, Unreachable):
        return ()


def _revision_of(rev: str, revisions: tuple[Revision, ...]) -> Revision | None:
    if not rev:
        return revisions[-1] if revisions else None
    return next((r for r in revisions if r.rev == rev), None)


def _changed(
    door: Door, deadline: Deadline, package: Package, place: Place, good: Built | None
) -> str:
    """What made OBS build again: the sources, or dependencies, which are named."""
    if good is None:
        return ""
    try:
        reason = queries.reason(door, deadline, package, place)
    except (NotThere, Refused, Unreachable):
        return ""
    return _reason(reason)


def _reason(reason: Reason) -> str:
    if not reason.changes:
        return reason.text
    shown = ", ".join(reason.changes[:6])
    more = f" and {len(reason.changes) - 6} more" if len(reason.changes) > 6 else ""
    return f"{reason.text}: {shown}{more}"


def _diff(door: Door, deadline: Deadline, package: Package, good: Built | None) -> str:
    if good is None:
        return ""
    try:
        now = queries.source_info(door, deadline, package)
        if now.srcmd5 == good.srcmd5 or not now.srcmd5:
            return ""
        return queries.source_diff(door, deadline, package, old=good.srcmd5, new=now.srcmd5)
    except (UsageError, Refused, Unreachable):
        return ""


def _near(door: Door, deadline: Deadline, package: Package) -> str:
    """Names close to one that is not there."""
    for path, name in (
        (f"/source/{package.project}", package.package),
        ("/source", package.project),
    ):
        try:
            names = [e.name for e in queries.names(door, deadline, path)]
        except (UsageError, InfraError):
            continue
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        if close and name not in names:
            return f"did you mean {' or '.join(close)}?"
    return f"{osc_command(door)} search {package.package}"
