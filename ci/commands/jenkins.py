"""``virtci jenkins``: jobs from plans, orders, the Jenkinsfile and the controller checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ci.codec import read_text
from ci.commands import jenkins_stage, jenkins_trigger
from ci.deadline import Deadline, SystemClock
from ci.errors import UsageError
from ci.jenkins import locks
from ci.jenkins.api import Door
from ci.jenkins.apply import apply as carry_out
from ci.jenkins.apply import destroy as delete
from ci.jenkins.apply import destroy_views, doomed, empty_folders
from ci.jenkins.change import Change, Kind, changes, listing
from ci.jenkins.controller import Controller
from ci.jenkins.doctor import State, checks, known, missing_plugins
from ci.jenkins.doctor import Wanted as Asked
from ci.jenkins.groovy import Problem, parse
from ci.jenkins.lint import Known, problems
from ci.jenkins.login import login_from
from ci.jenkins.patience import Patience
from ci.jenkins.pipeline import jenkinsfile as rendered
from ci.jenkins.plan import JenkinsPlan
from ci.jenkins.validator import problems as of_validator
from ci.jenkins.wanted import Source, wanted
from ci.pipelines.plan import load_plan
from ci.shell import LocalShell

app = typer.Typer(no_args_is_help=True)
app.command("trigger")(jenkins_trigger.trigger)
app.command("stage")(jenkins_stage.stage)
MINUTE = 60.0
STYLES = {State.GOOD: "green", State.LIMITED: "yellow", State.MISSING: "bold red"}
KINDS = {
    Kind.CREATE: "green", Kind.UPDATE: "yellow", Kind.FOLDER: "green", Kind.VIEW: "green",
    Kind.LOCK: "green", Kind.SAME: "dim",
    Kind.FOREIGN: "bold red", Kind.EDITED: "bold red", Kind.ORPHAN: "cyan",
}  # fmt: skip
Plans = Annotated[list[Path] | None, typer.Argument(help="Plan files; default: plans/*.toml.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is not ours or was edited.")]
Look = Annotated[bool, typer.Option("--look", help="Read every job, to find changes by hand.")]


@app.command()
def plan(
    plans: Plans = None,
    *,
    look: Look = False,
    jenkinsfile: Annotated[
        bool, typer.Option("--jenkinsfile", help="Print the pipeline of one plan; ask nobody.")
    ] = False,
) -> None:
    """Show what apply would change. Exit code: 0 nothing, 1 something, 2 it would be refused."""
    sources = _sources(plans)
    if jenkinsfile:
        typer.echo(_checked_in(sources), nl=False)
        return
    found = _changes(connect(), sources, look=look)
    _show(found, lines=True)
    if any(change.refused for change in found):
        raise typer.Exit(2)
    raise typer.Exit(1 if any(change.writes for change in found) else 0)


@app.command()
def apply(plans: Plans = None, *, force: Force = False, look: Look = False) -> None:
    """Make the controller as the plans say; jobs that are so already are not written."""
    controller, sources = connect(), _sources(plans)
    found = _changes(controller, sources, look=look)
    if any(change.writes or change.refused for change in found):
        _refuse_without_plugins(controller)
    console = Console(soft_wrap=True)
    carry_out(
        controller, found, _patience(), force=force, told=lambda change: _line(console, change)
    )
    written = sum(change.writes or change.refused for change in found)
    same = sum(change.kind is Kind.SAME for change in found)
    console.print(f"{written} written, {same} unchanged, {controller.door.requests} requests")
    for change in found:
        if change.kind is Kind.ORPHAN:
            _line(console, change)


@app.command()
def destroy(
    plans: Plans = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the jobs of these plans, with their builds; only what carries our mark."""
    controller, want, patience = connect(), wanted(_sources(plans)), _patience()
    there = listing(controller, want, patience)
    jobs, views = doomed(want, there)
    folders = empty_folders(want, there, jobs)
    resources = locks.doomed(want, there)
    if not (jobs or views or folders or resources):
        typer.echo("nothing of these plans is there")
        return
    for name in (*jobs, *folders, *(f"lockable resource {one}" for one in resources)):
        typer.echo(f"delete {name}")
    if not yes and not typer.confirm("Their builds and results go too. Delete?"):
        raise typer.Exit(1)
    destroy_views(controller, views, patience)
    delete(controller, (*jobs, *folders), patience, lambda name: typer.echo(f"deleted {name}"))
    locks.remove_all(controller, resources, patience.deadline)


@app.command()
def lint(
    jenkinsfile: Annotated[Path, typer.Argument(help="The file to check.")] = Path("Jenkinsfile"),
) -> None:
    """Check a Jenkinsfile: Groovy, what fails only at run, and the controller's validator.

    The controller is asked when JENKINS_URL is set. Exit code: 0 clean, 1 not.
    """
    text = _text_of(jenkinsfile)
    deadline = Deadline.after(5 * MINUTE)
    ((tops, errors),) = parse(LocalShell(), [text], deadline)
    found, asked = list(errors), "no controller was asked (JENKINS_URL is not set)"
    names = Known()
    if os.environ.get("JENKINS_URL"):
        controller = connect()
        names = known(controller, deadline)
        answer = controller.validate(text, deadline)
        asked = f"asked {controller.url}" if answer else f"{controller.url} has no validator"
        found += of_validator(answer) if answer else []
    if not errors:
        found += problems(tops, names)
    _tell_problems(jenkinsfile, found)
    typer.echo(f"{jenkinsfile}: {_summary(found)}; {asked}")
    raise typer.Exit(1 if any(problem.fatal for problem in found) else 0)


@app.command()
def doctor(plans: Plans = None) -> None:
    """Say what the controller has and lacks for the plans; nothing is changed. Exit 3: lacking."""
    tables = [source.plan for source in _sources(plans, needed=False)] or [JenkinsPlan()]
    asked = Asked(
        folders=tuple(dict.fromkeys(table.folder for table in tables)),
        labels=tuple(label for table in tables for label in (table.label, *table.host_labels)),
        locks=tuple(table.lock for table in tables if table.lock),
        credentials=tuple(
            name for table in tables for name in (table.key, table.repository_credentials) if name
        ),
    )
    console, missing = Console(soft_wrap=True), False
    for check in checks(connect(), asked, Deadline.after(2 * MINUTE)):
        missing = missing or check.state is State.MISSING
        word = f"[{STYLES[check.state]}]{check.state:8}[/]"
        console.print(f"{word} {check.what:12} {escape(check.text)}", highlight=False)
        if check.cure:
            console.print(f"{'':22}{escape(check.cure)}", highlight=False)
    raise typer.Exit(3 if missing else 0)


def connect() -> Controller:
    """The controller of JENKINS_URL. Raises UsageError that says how to name it."""
    return Controller(Door(login_from(os.environ, Path.home())))


def _sources(plans: list[Path] | None, *, needed: bool = True) -> list[Source]:
    found = []
    for path in plans or sorted(Path("plans").glob("*.toml")):
        table = load_plan(path).plan.jenkins
        if table is not None:
            found.append(Source(str(path), table))
        elif plans and needed:
            raise UsageError(f"{path} has no [jenkins] table", hint="an empty one will do")
    if needed and not found:
        raise UsageError("no plan with a [jenkins] table", hint="name one: virtci jenkins plan P")
    return found


def _checked_in(sources: list[Source]) -> str:
    """For a file in the repository, which Jenkins itself checks out."""
    if len(sources) != 1:
        raise UsageError("--jenkinsfile needs exactly one plan")
    return rendered(sources[0].plan, sources[0].path, checkout="checkout scm")


def _changes(controller: Controller, sources: list[Source], *, look: bool) -> tuple[Change, ...]:
    want, patience = wanted(sources), _patience()
    there = listing(controller, want, patience)
    return changes(controller, want, there, patience, look=look)


def _patience() -> Patience:
    deadline = Deadline.after(60 * MINUTE, SystemClock())
    return Patience(deadline, lambda text: typer.echo(f"virtci: {text}", err=True))


def _refuse_without_plugins(controller: Controller) -> None:
    if lacking := missing_plugins(controller, Deadline.after(2 * MINUTE)):
        raise UsageError(
            f"{controller.url} lacks what these jobs need; nothing was written",
            detail="\n".join(lacking),
            hint="virtci jenkins doctor says how to get it",
        )


def _show(found: tuple[Change, ...], *, lines: bool) -> None:
    console = Console(soft_wrap=True)
    for change in found:
        _line(console, change)
        for line in change.lines if lines else ():
            console.print(escape(line), style="dim", highlight=False)
    counts = {kind: sum(change.kind is kind for change in found) for kind in Kind}
    console.print(", ".join(f"{count} {kind}" for kind, count in counts.items() if count))


def _line(console: Console, change: Change) -> None:
    console.print(f"[{KINDS[change.kind]}]{change.kind:16}[/] {escape(change.name)}")


def _text_of(path: Path) -> str:
    text = read_text(path)
    if not text.strip():
        raise UsageError(f"{path}: is empty")
    return text


def _tell_problems(path: Path, found: list[Problem]) -> None:
    for problem in sorted(found, key=lambda one: one.line):
        word = "error" if problem.fatal else "warning"
        typer.echo(f"{path}:{problem.line}: {word}: {problem.text}")


def _summary(found: list[Problem]) -> str:
    fatal = sum(problem.fatal for problem in found)
    return f"{fatal} errors, {len(found) - fatal} warnings" if found else "clean"
