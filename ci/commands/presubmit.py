"""``virtci presubmit``: unpushed work through the whole job, here or in the lab."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ci.commands.jenkins_trigger import order_and_follow
from ci.commands.run import run
from ci.deadline import Deadline, SystemClock
from ci.errors import UsageError
from ci.jenkins.api import Door
from ci.jenkins.changes import packed
from ci.jenkins.controller import Controller
from ci.jenkins.login import login_from
from ci.pipelines.interrupt import stop_on_signals
from ci.pipelines.plan import load_plan
from ci.places import RUNS
from ci.presubmit.lent import noted, take_back
from ci.presubmit.worktree import Snapshot, patch, pushed, snapshot
from ci.report.console import summary
from ci.report.loading import load
from ci.report.results import exit_code
from ci.shell import LocalShell

app = typer.Typer()
TAKE_SECONDS = 600.0
DEFAULT = Path("plans/local-tree.toml")


@app.command()
def presubmit(
    plan: Annotated[Path, typer.Argument(help="The plan; its source is replaced.")] = DEFAULT,
    *,
    tree: Annotated[Path, typer.Option(help="In this git work tree.")] = Path(),
    on: Annotated[str, typer.Option(help="here, or jenkins.")] = "here",
    job: Annotated[str, typer.Option(help="The job in Jenkins; default: as the plan says.")] = "",
    push: Annotated[
        str, typer.Option(help="A remote to lend a branch to, for changes too large to send.")
    ] = "",
    hours: Annotated[float, typer.Option(help="Give up waiting after so long.")] = 12.0,
    show: Annotated[bool, typer.Option("--show", help="Only show what would be taken.")] = False,
) -> None:
    """Run what is not pushed yet: commits ahead of upstream, and uncommitted changes.

    Here: on the plan's hosts. On jenkins: the changes are sent along with the order, and JUnit and
    evidence are brought back to runs/. Exit code as for virtci run.
    """
    if on not in ("here", "jenkins"):
        raise UsageError(f'--on "{on}": here or jenkins')
    with snapshot(LocalShell(), tree.absolute(), Deadline.after(TAKE_SECONDS)) as taken:
        for line in taken.describe():
            typer.echo(line)
        if show:
            return
        if on == "here":
            _here(plan, taken)
        raise typer.Exit(_on_jenkins(plan, taken, job, push, hours))


def _here(plan: Path, taken: Snapshot) -> None:
    """The work tree itself is the source: the same bytes as the snapshot, copied by the run."""
    source = f'source={{kind="directory", path="{taken.root}"}}'
    run(plan=plan, changes=[source], name="", until="suites", resume="", shard="1/1")


def _on_jenkins(plan: Path, taken: Snapshot, job: str, push: str, hours: float) -> int:
    request = f"{_user()}-{secrets.token_hex(6)}"
    folder = RUNS / f"presubmit-{request}"
    controller = Controller(Door(login_from(os.environ, Path.home())))
    stop = threading.Event()
    deadline = Deadline.after(hours * 3600, SystemClock(), stop)
    with stop_on_signals(stop), _sent(plan, taken, push, request) as wanted:
        code = order_and_follow(
            controller, job or _job(plan), {**wanted, "REQUEST": request}, deadline, fetch=folder
        )
    merged = folder / "merged"
    if (merged / "journal.jsonl").is_file():
        results = load(merged)
        code = code or exit_code(results)
        summary(Console(soft_wrap=True), results, exit_code=code)
    return code


@contextmanager
def _sent(plan: Path, taken: Snapshot, push: str, request: str) -> Iterator[dict[str, str]]:
    """The parameters that carry the changes; nothing of them is left when the context is over."""
    shell, deadline = LocalShell(), Deadline.after(TAKE_SECONDS)
    with_ref = hasattr(load_plan(plan).plan.source, "ref")
    if push and not with_ref:
        raise UsageError(f"{plan}: its source has no branches, so none can be lent")
    if push:
        for text in take_back(shell, deadline):
            typer.echo(text)
        name = f"virtci-try/{request}"
        with (
            noted(taken.root, push, name),
            pushed(shell, taken, push, name, deadline) as branch,
        ):
            typer.echo(f"lent the branch {branch} to {push}")
            yield {"SOURCE_REF": branch}
            typer.echo(f"taking the branch {branch} back")
    else:
        base = {"SOURCE_REF": taken.base} if with_ref else {}
        yield {**base, "CHANGES": packed(patch(shell, taken, deadline))}


def _job(plan: Path) -> str:
    table = load_plan(plan).plan.jenkins
    if table is None:
        raise UsageError(f"{plan} has no [jenkins] table", hint="add one, or say --job NAME")
    return f"{table.folder}/{table.job or plan.stem}"


def _user() -> str:
    return re.sub(r"[^A-Za-z0-9]", "", getpass.getuser())[:20] or "someone"
