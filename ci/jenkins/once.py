"""An order placed once: by a mark among its parameters it is found when its answer was lost."""

from __future__ import annotations

from collections.abc import Mapping

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.jenkins import orders
from ci.jenkins.api import job_path
from ci.jenkins.controller import Controller
from ci.jenkins.seen import Job

NO_QUEUE_ID = -1


def order_once(
    controller: Controller,
    job: Job,
    given: Mapping[str, str],
    mark: Mapping[str, str],
    deadline: Deadline,
) -> str:
    """Order ``job`` unless a build or an item with ``mark`` is there; say what it is called.

    May be called again after any error. Raises UsageError for parameters that the job has not, Away
    and the other errors of a controller.
    """
    name, parameters = job.full_name, orders.checked(job, {**given, **mark})
    if mark:
        builds = controller.builds(name, deadline)
        if build := orders.ours(builds, NO_QUEUE_ID, mark, 0):
            return f"{name} #{build.number}"
        if orders.waiting(controller.queue(deadline), f"/{job_path(name)}/", mark):
            return f"{name}, queued"
    order = controller.order(name, parameters, deadline, parameterised=bool(job.parameters))
    return f"{name}, queue item {order.queue_id}"


def known_job(controller: Controller, name: str, deadline: Deadline) -> Job:
    job = controller.job(name, deadline)
    if job is None:
        raise UsageError(f"Jenkins has no job {name}")
    return job
