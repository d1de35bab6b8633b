"""The difference between what is wanted and what is there, decided before anything is written."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ci.jenkins.controller import Controller
from ci.jenkins.facts import JobFacts, from_xml, mark_of
from ci.jenkins.patience import Patience
from ci.jenkins.seen import Job, Resource, ViewSeen
from ci.jenkins.wanted import Lock, View, Wanted


class Kind(enum.StrEnum):
    FOLDER = "new folder"
    CREATE = "create"
    UPDATE = "update"
    SAME = "unchanged"
    FOREIGN = "not ours"  # exists without our mark
    EDITED = "changed by hand"
    ORPHAN = "no plan"  # ours, but no plan makes it
    VIEW = "view"
    LOCK = "lock"


@dataclass(frozen=True)
class Change:
    """One thing to do or to refuse; ``lines`` are a readable diff."""

    kind: Kind
    name: str
    lines: tuple[str, ...] = ()
    facts: JobFacts | None = None
    view: View | None = None
    lock: Lock | None = None
    new: bool = False

    @property
    def refused(self) -> bool:
        return self.kind in (Kind.FOREIGN, Kind.EDITED)

    @property
    def writes(self) -> bool:
        return self.kind in (Kind.FOLDER, Kind.CREATE, Kind.UPDATE, Kind.VIEW, Kind.LOCK)


@dataclass(frozen=True)
class Listing:
    """All jobs and folders by full name, the views, and lockable resources by name."""

    jobs: dict[str, Job]
    views: dict[tuple[str, str], ViewSeen]
    locks: dict[str, Resource]


def listing(controller: Controller, want: Wanted, patience: Patience) -> Listing:
    """One request for each top folder, one for lockable resources; none of a job's own."""
    jobs: dict[str, Job] = {}
    views: dict[tuple[str, str], ViewSeen] = {}
    for top in sorted({folder.split("/")[0] for folder in want.folders}):
        found = patience.ask(partial(controller.folder, top))
        for job in _flat(found):
            jobs[job.full_name] = job
            views |= {(job.full_name, view.name): view for view in job.views}
    locks = patience.ask(controller.resources) if want.locks else ()
    return Listing(jobs, views, {lock.name: lock for lock in locks or ()})


def _flat(job: Job | None) -> Iterator[Job]:
    if job is not None and job.name:
        yield job
        for below in job.jobs or ():
            yield from _flat(below)


def changes(
    controller: Controller, want: Wanted, there: Listing, patience: Patience, *, look: bool
) -> tuple[Change, ...]:
    """Every change. Only a job whose mark differs is read; with ``look`` every one is."""
    found = list(_lock_changes(want, there))
    found += [Change(Kind.FOLDER, name) for name in want.folders if name not in there.jobs]
    for name, facts in want.jobs.items():
        found.append(
            _job_change(controller, name, facts, there.jobs.get(name), patience, look=look)
        )
    found += _view_changes(want, there)
    found += [
        Change(Kind.ORPHAN, name)
        for name, job in there.jobs.items()
        if job.jobs is None and mark_of(job.description) and name not in want.jobs
    ]
    return tuple(found)


def _job_change(
    controller: Controller,
    name: str,
    facts: JobFacts,
    there: Job | None,
    patience: Patience,
    *,
    look: bool,
) -> Change:
    if there is None:
        return Change(Kind.CREATE, name, tuple(diff(JobFacts(), facts)), facts)
    mark = mark_of(there.description)
    if mark == facts.digest and not look:
        return Change(Kind.SAME, name, facts=facts)
    xml = patience.ask(partial(controller.config, name))
    current = from_xml(xml or "<gone/>")
    lines = tuple(diff(current, facts))
    if not mark:
        return Change(Kind.FOREIGN, name, lines, facts)
    if current.digest != mark:
        return Change(Kind.EDITED, name, lines, facts)
    return Change(Kind.UPDATE if lines else Kind.SAME, name, lines, facts)


def _view_changes(want: Wanted, there: Listing) -> Iterator[Change]:
    for view in want.views:
        known = there.views.get((view.folder, view.name))
        name = f"{view.folder}/{view.name}"
        if known is None:
            yield Change(Kind.VIEW, name, (f"+ {', '.join(view.jobs)}",), view=view, new=True)
        elif not mark_of(known.description):
            yield Change(Kind.FOREIGN, name, view=view)
        elif mark_of(known.description) != view.digest:
            yield Change(Kind.VIEW, name, (f"~ {', '.join(view.jobs)}",), view=view)


def _lock_changes(want: Wanted, there: Listing) -> Iterator[Change]:
    """One that others made and that has the label is as good as ours."""
    for lock in want.locks:
        known = there.locks.get(lock.name)
        labels = set(known.labels_as_list) if known else set()
        ours = known is None or bool(mark_of(known.description))
        if labels == set(lock.labels) or (not ours and set(lock.labels) <= labels):
            continue
        lines = (f"  labels: {' '.join(sorted(labels)) or 'none'} -> {' '.join(lock.labels)}",)
        kind, name = Kind.LOCK if ours else Kind.FOREIGN, f"lockable resource {lock.name}"
        yield Change(kind, name, lines, lock=lock, new=known is None)


def diff(before: JobFacts, after: JobFacts) -> Iterator[str]:
    """What changes, one line a fact, the script as a unified diff."""
    for field in JobFacts.__struct_fields__:
        old, new = getattr(before, field), getattr(after, field)
        if old == new:
            continue
        if field == "script":
            lines = difflib.unified_diff(
                old.splitlines(), new.splitlines(), "there", "wanted", n=1, lineterm=""
            )
            yield from (f"  script {line}" for line in lines)
        elif field == "parameters":
            yield from _parameter_diff(before, after)
        else:
            yield f"  {field}: {_shown(old)} -> {_shown(new)}"


def _parameter_diff(before: JobFacts, after: JobFacts) -> Iterator[str]:
    old = {one.name: one for one in before.parameters}
    new = {one.name: one for one in after.parameters}
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield f"  parameter {name}: removed"
        elif name not in old:
            yield f"  parameter {name}: added"
        elif old[name] != new[name]:
            fields = [f for f in new[name].__struct_fields__ if f != "name"]
            for field in fields:
                was, will = getattr(old[name], field), getattr(new[name], field)
                if was != will:
                    yield f"  parameter {name}, {field}: {_shown(was)} -> {_shown(will)}"
    if set(old) == set(new) and list(old) != list(new):
        yield "  parameters: another order"


def _shown(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else repr(value)
