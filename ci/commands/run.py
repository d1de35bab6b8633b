"""``virtci run PLAN``: the whole job, or the rest of one that was cut."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ci.commands.gate import show
from ci.commands.options import RUNS_DEFAULT, Resume, RunsFolder
from ci.errors import EXIT_INTERRUPTED, InfraError, Interrupted, UsageError
from ci.launch.stress import StressSuite
from ci.pipelines.afterwards import Afterwards, prepare
from ci.pipelines.decided import decided
from ci.pipelines.interrupt import stop_on_signals
from ci.pipelines.main import STAGES, pipeline
from ci.pipelines.plan import NAME, LoadedPlan, load_plan, reload_plan
from ci.pipelines.runs import begin, find, header_of_command, new_id
from ci.report.console import summary
from ci.report.live import LiveJUnit
from ci.report.live_view import watching
from ci.report.loading import load
from ci.report.page import write
from ci.report.results import RunResults, exit_code
from ci.run import Run
from ci.shard import WHOLE, Shard, parse_shard
from ci.watcher import Watchers

app = typer.Typer()
NAMED = re.compile(NAME)


@app.command()
def run(
    plan: Annotated[Path | None, typer.Argument(help="The plan file.")] = None,
    *,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a value of the plan: path=value.")
    ] = None,
    until: Annotated[str, typer.Option(help=f"Last stage: {', '.join(STAGES)}.")] = "suites",
    resume: Resume = "",
    name: Annotated[
        str, typer.Option(help="The run's id; when there is such a run, go on with it.")
    ] = "",
    shard: Annotated[str, typer.Option(help="A share of the suites: i/n.")] = "1/1",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done; do nothing.")
    ] = False,
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Do the whole job that a plan describes: source, build, hosts, deploy, suites, reports.

    Exit codes: 0 passed, 1 the product failed, 2 plan or arguments wrong, 3 the lab failed or
    nothing was proven, 130 interrupted (go on with --resume).
    """
    if until not in STAGES:
        raise UsageError(f'--until "{until}" is no stage; known: {", ".join(STAGES)}')
    console = Console(soft_wrap=True)
    share = parse_shard(shard)
    if name and not NAMED.match(name):
        raise UsageError(f'--name "{name}" is not usable as a folder name')
    if name and (runs / name / "journal.jsonl").is_file():
        resume = name
    folder, loaded = _what(plan, tuple(changes or ()), resume, runs, name)
    wanted = prepare(loaded)
    if dry_run:
        for line in decided(loaded.plan, until):
            console.print(line, highlight=False, markup=False)
        return
    raise typer.Exit(
        _execute(console, folder, loaded, wanted, until=until, share=share, resumed=bool(resume))
    )


def _what(
    plan: Path | None, changes: tuple[str, ...], resume: str, runs: Path, name: str
) -> tuple[Path, LoadedPlan]:
    if resume:
        folder = find(runs, resume)
        header = header_of_command(folder, "run")
        if plan is not None:
            return folder, load_plan(plan, changes)
        return folder, reload_plan(header.plan, header.plan_text, header.changes + changes)
    if plan is None:
        raise UsageError("which plan?", hint="virtci plans lists them; or --resume RUN")
    return runs / (name or new_id(str(plan))), load_plan(plan, changes)


def _execute(
    console: Console,
    folder: Path,
    loaded: LoadedPlan,
    wanted: Afterwards,
    *,
    until: str,
    share: Shard,
    resumed: bool,
) -> int:
    junit = LiveJUnit(folder)
    stop = threading.Event()
    with watching(console, _expected(loaded)) as shown:
        run = Run(folder, watcher=Watchers(shown, junit), stop=stop)
        try:
            begin(run, loaded, resumed=resumed)
            console.print(f"run {run.folder}", highlight=False)
            with stop_on_signals(stop):
                code = _to_the_end(run, loaded, until, share)
        finally:
            run.close()
    results = load(folder)
    code = code or exit_code(results)
    page = _write_reports(folder, results, junit, code)
    summary(console, results, exit_code=code)
    console.print(f"page        {page}", highlight=False)
    if share != WHOLE or (until != STAGES[-1] and code == 0) or not results.finished:
        return code  # a part of a run is nothing to tell of yet
    return _publish(console, wanted, folder, results, code)


def _write_reports(folder: Path, results: RunResults, junit: LiveJUnit, code: int) -> Path:
    """The JUnit and the page, which is returned. Raises InfraError when there is no room."""
    try:
        junit.write()
        return write(folder, results)
    except OSError as error:
        raise InfraError(
            f"the run ended with {code}, but its reports cannot be written: {error.strerror}",
            hint=f"free some space, then: virtci report {folder}",
        ) from None


def _publish(
    console: Console, wanted: Afterwards, folder: Path, results: RunResults, code: int
) -> int:
    """A gate makes a good run bad; it never makes a bad one good."""
    decision = wanted.publish(
        folder, results, lambda line: console.print(line, highlight=False, markup=False)
    )
    if decision is None:
        return code
    show(console, decision, [results.id])
    return code or decision.exit_code


def _expected(loaded: LoadedPlan) -> dict[str, int]:
    """How many cases a loop will have, where the plan says so."""
    loops = [suite for suite in loaded.plan.suites if isinstance(suite, StressSuite)]
    return {
        f"suites/{host.name}/{suite.name}": suite.aim().loops
        for host in loaded.plan.hosts
        for suite in loops
    }


def _to_the_end(run: Run, loaded: LoadedPlan, until: str, share: Shard) -> int:
    try:
        pipeline(run, loaded.plan, until=until, shard=share)
    except Interrupted:
        run.note("interrupted")
        return EXIT_INTERRUPTED
    run.note("ended")
    return 0
