"""Changes, carried out: each can be cut anywhere and done again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.jenkins import locks
from ci.jenkins.api import Refused
from ci.jenkins.change import Change, Kind, Listing
from ci.jenkins.controller import Controller
from ci.jenkins.facts import mark_of
from ci.jenkins.patience import Patience
from ci.jenkins.wanted import Wanted, folder_xml, job_xml

BAD_REQUEST = 400


def apply(
    controller: Controller,
    changes: Iterable[Change],
    patience: Patience,
    *,
    force: bool,
    told: Callable[[Change], None],
) -> None:
    """Write what is new or differs; builds of existing jobs stay.

    Raises UsageError before the first write when something is not ours, or was changed by hand,
    and not ``force``.
    """
    found = tuple(changes)
    refused = [change for change in found if change.refused]
    if refused and not force:
        raise UsageError(
            f"{len(refused)} would be overwritten: "
            + ", ".join(f"{change.name} ({change.kind})" for change in refused[:5]),
            hint="virtci jenkins plan shows the differences; --force overwrites them",
        )
    for change in found:
        if change.writes or change.refused:
            patience.ask(partial(_write, controller, change))
            told(change)


def _write(controller: Controller, change: Change, deadline: Deadline) -> None:
    if change.lock is not None:
        locks.write(controller, change.lock, deadline)
    elif change.kind is Kind.FOLDER:
        _create(controller, change.name, folder_xml(), deadline)
    elif change.view is not None:
        view = change.view
        there = controller.view_config(view.folder, view.name, deadline) is not None
        controller.write_view(view.folder, view.name, view.xml, deadline, new=not there)
    elif change.facts is not None:
        xml = job_xml(change.facts)
        if change.kind is Kind.CREATE:
            _create(controller, change.name, xml, deadline)
        else:
            controller.reconfigure(change.name, xml, deadline)


def _create(controller: Controller, name: str, xml: str, deadline: Deadline) -> None:
    """Create; when the answer to a first try was lost, what exists on the second is ours."""
    try:
        controller.create(name, xml, deadline)
    except Refused as refused:
        if refused.status != BAD_REQUEST or not _ours(controller, name, deadline):
            raise


def _ours(controller: Controller, name: str, deadline: Deadline) -> bool:
    job = controller.job(name, deadline)
    return job is not None and bool(mark_of(job.description))


def doomed(want: Wanted, there: Listing) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What ``destroy`` takes away: jobs and views of these plans that carry our mark."""
    jobs = tuple(
        name for name in want.jobs if name in there.jobs and mark_of(there.jobs[name].description)
    )
    views = tuple(
        (view.folder, view.name)
        for view in want.views
        if (known := there.views.get((view.folder, view.name))) and mark_of(known.description)
    )
    return jobs, views


def empty_folders(want: Wanted, there: Listing, removed: Iterable[str]) -> tuple[str, ...]:
    """Folders of ours, innermost first, that hold nothing once ``removed`` is gone."""
    left = set(there.jobs) - set(removed)
    found = []
    for folder in sorted(want.folders, key=len, reverse=True):
        job = there.jobs.get(folder)
        inside = any(name.startswith(f"{folder}/") for name in left)
        if job is not None and mark_of(job.description) and not inside:
            found.append(folder)
            left.discard(folder)
    return tuple(found)


def destroy(
    controller: Controller, names: Iterable[str], patience: Patience, told: Callable[[str], None]
) -> None:
    """Delete jobs or folders, with their builds."""
    for name in names:
        patience.ask(partial(controller.delete, name))
        told(name)


def destroy_views(
    controller: Controller, views: Iterable[tuple[str, str]], patience: Patience
) -> None:
    for folder, view in views:
        patience.ask(partial(controller.delete_view, folder, view))
