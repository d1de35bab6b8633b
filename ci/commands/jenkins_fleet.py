"""Several jobs ordered with one call, and followed together."""

from __future__ import annotations

import secrets
from functools import partial

import typer

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.jenkins.controller import Controller
from ci.jenkins.fleet import Placed, wait_for_all
from ci.jenkins.follow import Audience, Follower
from ci.jenkins.orders import checked
from ci.jenkins.patience import Patience
from ci.jenkins.verdict import LAB, verdict


def order_all(
    controller: Controller,
    jobs: tuple[str, ...],
    wanted: dict[str, str],
    deadline: Deadline,
    *,
    audience: Audience,
    apart: bool,
    wait: bool,
) -> int:
    """Order each job with the same parameters; the worst exit code. Consoles are not shown."""
    placed = tuple(_place(controller, job, wanted, deadline, audience, apart=apart) for job in jobs)
    if not wait:
        return 0
    ended = wait_for_all(
        controller, placed, deadline, lambda one, text: typer.echo(f"-- {one.job} {text}", err=True)
    )
    codes = [0]
    for one in placed:
        end = ended[one]
        if isinstance(end, InfraError):
            typer.echo(f"{one.job}: {end.message}")
            codes.append(LAB)
        else:
            said = verdict(end)
            typer.echo(f"{one.job} #{end.number}: {said.text}")
            codes.append(said.code)
    return max(codes)


def _place(
    controller: Controller,
    name: str,
    wanted: dict[str, str],
    deadline: Deadline,
    audience: Audience,
    *,
    apart: bool,
) -> Placed:
    job = Patience(deadline, audience.told).ask(partial(controller.job, name))
    if job is None or job.disabled:
        raise UsageError(f"{controller.url} has no job {name} that can be built")
    if apart and any(one.name == "REQUEST" for one in job.parameters):
        wanted = {**wanted, "REQUEST": secrets.token_hex(8)}
    given = checked(job, wanted)
    first = job.next_build_number
    follower = Follower(controller, name, audience, deadline)
    order = follower.place(given, first, parameterised=bool(job.parameters))
    return Placed(name, order.queue_id, given, first)
