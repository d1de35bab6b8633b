"""What is worth telling while a build is waited for: the queue, the worker, how long it takes."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.obs import queries
from ci.obs.door import Door
from ci.obs.results import Built, PackageState
from ci.obs.target import Package, Place


def more_of(door: Door, deadline: Deadline, state: PackageState) -> str:
    """What a state alone does not say, or what its details say; never an error."""
    try:
        match state.code:
            case "scheduled":
                queue = queries.queue(door, deadline, state.arch)
                return f"{queue.waiting} wait, {queue.building} of {queue.workers} workers build"
            case "building":
                return _worker(door, deadline, state)
    except (InfraError, UsageError):
        return state.details  # not every instance tells everybody
    return state.details


def _worker(door: Door, deadline: Deadline, state: PackageState) -> str:
    package = Package(project=state.project, package=state.package)
    place = Place(repository=state.repository, arch=state.arch)
    job = queries.job_status(door, deadline, package, place)
    usual = f", the last time in {job.last_seconds} s" if job.last_seconds else ""
    again = f", attempt {job.attempt}" if job.attempt > 1 else ""
    return f"on {job.worker}{usual}{again}" if job.worker else state.details


def told_build(built: Built) -> str:
    """How long a build waited and took."""
    waited, took = built.started - built.ready, built.ended - built.started
    return f"waited {max(0, waited)} s, built in {took} s on {built.worker} ({built.reason})"
