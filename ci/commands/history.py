"""``virtci history``: what runs have shown over time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ci.commands.when import days_ago
from ci.errors import UsageError, VirtciError
from ci.history import ENVIRONMENT
from ci.history.database import opened
from ci.history.health import health as health_of
from ci.history.importer import Imported, Importer
from ci.history.queries import find_signatures, find_tests, points, recent_runs, with_signature
from ci.history.rates import rates as rates_of
from ci.history.regressions import Regression
from ci.history.regressions import regressions as regressions_of
from ci.history.speed import StepSpeed, newly_slow, speeds
from ci.history.status import Point, first_bad, last_good, status
from ci.pipelines.runs import folders
from ci.places import RUNS
from ci.report.wording import clock, duration, percent, tidy
from ci.report.xml_text import printable

Database = Annotated[
    str,
    typer.Option(
        envvar=ENVIRONMENT,
        show_default=False,
        help="URL; default: SQLite in the data folder. A password belongs into the variable.",
    ),
]
PlanName = Annotated[str, typer.Option("--plan", help="Only runs of this plan.")]
Since = Annotated[str, typer.Option(help="Only runs since: monday, 7d, 2026-01-31.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many at most.")]
EVER = "1970-01-01"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("import")
def import_command(
    places: Annotated[list[Path] | None, typer.Argument(help="Runs, or folders of runs.")] = None,
    *,
    database: Database = "",
) -> None:
    """Take runs into the history; what is there already is left alone. Any order, any time."""
    counts = dict.fromkeys(Imported, 0)
    wrong = 0
    for place in places or []:
        if not place.is_dir():
            raise UsageError(f"{place}: there is no such folder")
    with opened(database) as history:
        importer = Importer(history)
        for place in places or [RUNS]:
            for folder in _runs_in(place):
                try:
                    counts[importer.run(folder)] += 1
                except VirtciError as error:
                    wrong += 1
                    typer.echo(f"left out {folder.name}: {error.message}", err=True)
        said = ", ".join(f"{count} {what}" for what, count in counts.items())
        typer.echo(f"{said}, {wrong} unreadable; in {history.name}")
    raise typer.Exit(3 if wrong else 0)


def _runs_in(place: Path) -> Iterator[Path]:
    return iter((place,)) if (place / "journal.jsonl").is_file() else folders(place)


@app.command("runs")
def runs_command(
    *, database: Database = "", plan: PlanName = "", since: Since = EVER, limit: Limit = 30
) -> None:
    """List the latest runs, newest first."""
    table = _table("run", "plan", "begun", "took", "result", "source")
    with opened(database) as history, history.reading() as connection:
        for run in recent_runs(connection, plan=plan, since=days_ago(since), limit=limit):
            took = duration(run.ended - run.started)
            ended = run.outcome if run.finished else f"{run.outcome} (not finished)"
            table.add_row(run.name, run.plan, clock(run.started), took, ended, run.source[:12])
    _print(table)


@app.command("tests")
def over_time(
    text: Annotated[str, typer.Argument(help="A part of the test's, suite's or host's name.")] = "",
    *,
    database: Database = "",
    plan: PlanName = "",
    limit: Limit = 50,
) -> None:
    """Show tests over time: how each stands, since when, and its last results."""
    table = _table("test", "status", "since", "last good", "lately (newest last)")
    with opened(database) as history, history.reading() as connection:
        found = find_tests(connection, text=_sayable(text), limit=limit)
        rows = points(connection, [test.id for test in found], plan=plan)
        for test in found:
            if row := rows.get(test.id):
                first, good = first_bad(row), last_good(row)
                since, before = first.run if first else "", good.run if good else "never"
                table.add_row(escape(str(test)), status(row), since, before, _marks(row))
    _print(table)


@app.command("regressions")
def regressions_command(*, database: Database = "", plan: PlanName = "") -> None:
    """Say what is bad today, since when, what has changed then, and who may have done it."""
    console = _console()
    with opened(database) as history, history.reading() as connection:
        found = regressions_of(connection, plan=plan)
    for one in found:
        _show(console, one)
    if not found:
        console.print("nothing is bad in the last run of any plan", highlight=False)


@app.command("rates")
def rates_command(
    text: Annotated[str, typer.Argument(help="A part of the test's name.")] = "",
    *,
    database: Database = "",
    plan: PlanName = "",
    since: Since = EVER,
    limit: Limit = 30,
) -> None:
    """Show how often tests fail, with exact intervals at 95 %."""
    table = _table("test", "runs", "rate")
    with opened(database) as history, history.reading() as connection:
        wanted = days_ago(since)
        for one in rates_of(connection, since=wanted, plan=plan, text=_sayable(text), limit=limit):
            table.add_row(escape(str(one.test)), str(one.runs), one.finding.text)
    _print(table)


@app.command("slow")
def slow_command(
    *, database: Database = "", plan: PlanName = "", since: Since = EVER, limit: Limit = 20
) -> None:
    """Show steps that have become slow, with the run that began it, and the slowest of all."""
    console = _console()
    with opened(database) as history, history.reading() as connection:
        found = speeds(connection, plan=plan, since=days_ago(since))
    for one in newly_slow(found):
        assert one.change is not None
        console.print(
            f"[bold]newly slow[/] {escape(_step(one))}: {duration(one.change.before)} -> "
            f"{duration(one.change.after)} since {one.changed_in} (p = {one.change.p_value:.2g})",
            highlight=False,
        )
    table = _table("slowest steps", "plan", "runs", "seconds now")
    for one in found[:limit]:
        table.add_row(escape(_step(one)), one.plan, str(one.runs), duration(one.seconds))
    _print(table)


@app.command("hosts")
def hosts_command(*, database: Database = "", since: Since = EVER) -> None:
    """Show how often each host made trouble that was not the product's."""
    table = _table("host", "runs", "with lab trouble", "last trouble", "why")
    with opened(database) as history, history.reading() as connection:
        for one in health_of(connection, since=days_ago(since)):
            share = f"{one.troubled} ({percent(one.share)})"
            last = clock(one.last_trouble) if one.last_trouble else ""
            table.add_row(one.host, str(one.runs), share, last, escape(tidy(one.last_reason)))
    _print(table)


@app.command("search")
def search_command(
    text: Annotated[str, typer.Argument(help="A signature's id, or a part of a message.")],
    *,
    database: Database = "",
) -> None:
    """Find failures by signature: when they were first and last seen, and in which tests."""
    console = _console()
    with opened(database) as history, history.reading() as connection:
        found = find_signatures(connection, _sayable(text))
        for name, message, count, first, last in found:
            console.print(f"[bold]{name}[/] {escape(message)}", highlight=False)
            seen = f"{count} times, first {clock(first)}, last {clock(last)}"
            console.print(f"    {seen}", highlight=False)
            for test in with_signature(connection, name, 5):
                console.print(f"    {escape(str(test))}", highlight=False)
    if not found:
        console.print("nothing found")


def _sayable(text: str) -> str:
    """What was typed in another encoding than ours matches nothing, and breaks nothing."""
    return printable(text)


def _show(console: Console, one: Regression) -> None:
    console.print(f"[bold red]{one.status}[/] {escape(str(one.test))}", highlight=False)
    good = f"{one.last_good.run} ({clock(one.last_good.started)})" if one.last_good else "never"
    since = f"since {one.first_bad.run} ({clock(one.first_bad.started)})"
    said = [
        tidy(one.first_bad.message),
        f"plan {one.plan}; bad in {one.bad_runs} run(s) {since}; last good: {good}",
    ]
    said += [f"changed: {what}: {then} -> {now}" for what, then, now in one.changed]
    said += [f"suspect: {c.id[:12]} {c.author}: {c.subject}" for c in one.suspects[:10]]
    said += [f"... and {len(one.suspects) - 10} more commits"] if len(one.suspects) > 10 else []
    for line in said:
        console.print(f"    {escape(line)}", highlight=False)


def _marks(row: list[Point]) -> str:
    """``..F!-.``: passed, failed, broken, or nothing (skipped, unsupported); the last thirty."""
    return "".join("." if p.good else "F" if p.bad else "!" if p.broken else "-" for p in row[-30:])


def _step(one: StepSpeed) -> str:
    return f"{one.suite}{f' on {one.host}' if one.host else ''}: {one.step}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _console() -> Console:
    return Console(soft_wrap=True)


def _print(table: Table) -> None:
    console = _console()
    console.print(table if table.row_count else "nothing found")
