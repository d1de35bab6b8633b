"""``virtci jenkins trigger``: order a build, follow it, and end as it ended."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ci.commands.jenkins_fleet import order_all
from ci.deadline import Deadline, SystemClock
from ci.errors import EXIT_INTERRUPTED, InfraError, Interrupted, UsageError
from ci.jenkins.api import Door
from ci.jenkins.collect import collect
from ci.jenkins.controller import Controller
from ci.jenkins.follow import Follower
from ci.jenkins.login import login_from
from ci.jenkins.orders import checked, parse
from ci.jenkins.patience import Patience
from ci.jenkins.seen import BuildState, Job, Stage
from ci.jenkins.verdict import verdict
from ci.pipelines.interrupt import stop_on_signals

STOP_SECONDS = 180.0
MOST_CASES = 50  # of failed tests in a terminal; all are in the JUnit


class Teller:
    """Tells a terminal: the console plainly, everything else dimmed and marked."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False, stderr=True)

    def waits(self, why: str) -> None:
        self._note(f"waits: {why}")

    def started(self, number: int, url: str) -> None:
        self._note(f"build #{number} {url}")

    def printed(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def stage(self, stage: Stage) -> None:
        self._note(f"stage {stage.name}: {stage.status} {stage.duration_millis / 1000:.0f} s")

    def told(self, text: str) -> None:
        self._note(text)

    def _note(self, text: str) -> None:
        self._console.print(f"-- {text}", style="dim", markup=False)


def trigger(
    job: Annotated[str, typer.Argument(help="Full name, such as virtci/demo.")],
    words: Annotated[
        list[str] | None, typer.Argument(help="NAME=value ..., or more jobs for the same.")
    ] = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit as it ends.")] = False,
    apart: Annotated[
        bool, typer.Option("--apart", help="Never be merged with an equal order in the queue.")
    ] = False,
    fetch: Annotated[
        Path | None, typer.Option(help="Then bring JUnit, reports and evidence here.")
    ] = None,
    on_interrupt: Annotated[
        str, typer.Option(help="At Ctrl-C: ask, leave (it goes on) or stop (it is stopped).")
    ] = "ask",
    hours: Annotated[float, typer.Option(help="Give up waiting after so long.")] = 24.0,
) -> None:
    """Order a build; with --wait follow it through the queue to its end.

    Several jobs are followed together, without their consoles.
    Exit codes: 0 SUCCESS, 1 tests failed, 3 it failed otherwise, 130 interrupted.
    """
    if on_interrupt not in ("ask", "leave", "stop"):
        raise UsageError(f'--on-interrupt "{on_interrupt}": ask, leave or stop')
    controller = Controller(Door(login_from(os.environ, Path.home())))
    jobs = (job, *(word for word in words or () if "=" not in word))
    wanted = parse(word for word in words or () if "=" in word)
    if len(jobs) > 1 and fetch is not None:
        raise UsageError("--fetch is for one job")
    stop = threading.Event()
    deadline = Deadline.after(hours * 3600, SystemClock(), stop)
    with stop_on_signals(stop):
        if len(jobs) > 1:
            raise typer.Exit(
                order_all(
                    controller, jobs, wanted, deadline, audience=Teller(), apart=apart, wait=wait
                )
            )
        code = order_and_follow(
            controller, job, wanted, deadline, apart=apart, wait=wait or fetch is not None,
            fetch=fetch, on_interrupt=on_interrupt,
        )  # fmt: skip
    raise typer.Exit(code)


def order_and_follow(
    controller: Controller,
    job: str,
    wanted: dict[str, str],
    deadline: Deadline,
    *,
    apart: bool = False,
    wait: bool = True,
    fetch: Path | None = None,
    on_interrupt: str = "ask",
) -> int:
    """The whole of one order; its exit code."""
    teller = Teller()
    known = _orderable(controller, job, Patience(deadline, teller.told))
    if apart and any(one.name == "REQUEST" for one in known.parameters):
        wanted = {**wanted, "REQUEST": secrets.token_hex(8)}
    given, first = checked(known, wanted), known.next_build_number
    follower = Follower(controller, job, teller, deadline)
    order = follower.place(given, first, parameterised=bool(known.parameters))
    if order.merged:
        teller.told("an equal order is queued already; following that one (--apart for another)")
    if not wait:
        typer.echo(f"ordered: {controller.url}queue/item/{order.queue_id}/")
        return 0
    number = 0
    try:
        number = follower.number(order, given, first)
        teller.started(number, f"{controller.url}job/{job.replace('/', '/job/')}/{number}/")
        state = follower.to_the_end(number)
    except Interrupted:
        return _interrupted(follower, order.queue_id, number, on_interrupt)
    return _finish(controller, job, state, fetch, Patience(deadline, teller.told))


def _orderable(controller: Controller, job: str, patience: Patience) -> Job:
    """The job as the controller has it. Raises UsageError when it cannot be ordered."""
    known = patience.ask(lambda within: controller.job(job, within))
    if known is None:
        raise UsageError(
            f"{controller.url} has no job {job}, or {controller.door.login.user} may not see it",
            hint="virtci jenkins plan shows the jobs that the plans make",
        )
    if known.disabled or not known.buildable:
        raise UsageError(f"{job} is disabled", hint="enable it on the controller")
    return known


def _finish(
    controller: Controller, job: str, state: BuildState, fetch: Path | None, patience: Patience
) -> int:
    said = verdict(state)
    failed = patience.ask(partial(controller.failed_cases, job, state.number)) or ()
    for case in failed[:MOST_CASES]:
        typer.echo(f"failed: {case.class_name}.{case.name}: {case.error_details or case.status}")
    if len(failed) > MOST_CASES:
        typer.echo(f"... and {len(failed) - MOST_CASES} more")
    if fetch is not None:
        count = collect(controller, job, state.number, fetch, patience)
        typer.echo(f"{count} files brought to {fetch}")
    typer.echo(f"{job} #{state.number}: {said.text}")
    return said.code


def _interrupted(follower: Follower, queue_id: int, number: int, on_interrupt: str) -> int:
    """Leave the build alone, or stop it and see it end. A second Ctrl-C ends this at once."""
    what = f"build #{number}" if number else "order"
    if on_interrupt == "ask":
        asks = sys.stdin.isatty()
        stop_it = asks and typer.confirm(f"Stop the {what} on the controller?", default=False)
    else:
        stop_it = on_interrupt == "stop"
    if not stop_it:
        typer.echo(f"the {what} of {follower.job} goes on without us")
        return EXIT_INTERRUPTED
    deadline = Deadline.after(STOP_SECONDS)
    again = Follower(follower.controller, follower.job, follower.audience, deadline)
    if number:
        Patience(deadline).ask(partial(again.controller.stop, follower.job, number))
        state = again.to_the_end(number)
        typer.echo(f"{follower.job} #{number}: {verdict(state, stopped_by_us=True).text}")
    else:
        _cancel(again, queue_id)
    return EXIT_INTERRUPTED


def _cancel(follower: Follower, queue_id: int) -> None:
    """One that has left the queue meanwhile answers an error, so the item is looked at."""
    try:
        follower.controller.cancel(queue_id, follower.deadline)
    except InfraError:
        item = follower.controller.queue_item(queue_id, follower.deadline)
        if item is None or not item.cancelled:
            raise
    typer.echo(f"the order of {follower.job} is taken back")
