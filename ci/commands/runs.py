"""``virtci runs``: what there has been, newest last."""

from __future__ import annotations

import time

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ci.commands.options import RUNS_DEFAULT, RunsFolder
from ci.errors import VirtciError
from ci.pipelines.runs import folders
from ci.report.console import tally
from ci.report.loading import load
from ci.report.results import RunResults

app = typer.Typer()


@app.command()
def runs(*, folder: RunsFolder = RUNS_DEFAULT) -> None:
    """List the runs, oldest first: when, which plan, how they ended."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    for column in ("run", "begun", "result", "cases"):
        table.add_column(column, overflow="fold")
    for path in folders(folder):
        try:
            table.add_row(*_row(load(path)))
        except VirtciError as error:
            table.add_row(path.name, "", "unreadable", escape(error.message))
    if not table.row_count:
        console.print(f"no runs in {folder}")
        return
    console.print(table)


def _row(results: RunResults) -> tuple[str, str, str, str]:
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(results.started))
    ended = str(results.outcome)
    if not results.finished:
        ended = "interrupted" if results.interrupted else "cut (or still going on)"
    cases = "; ".join(f"{s.suite} on {s.host}: {tally(s.counts)}" for s in results.suites)
    return results.id, begun, ended, escape(cases)
