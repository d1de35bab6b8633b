"""``virtci report merge``: the runs of shards as one run, with one JUnit and one summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ci.report import junit, page
from ci.report.console import summary
from ci.report.loading import load
from ci.report.merge import find_shards, merge
from ci.report.results import RunResults, exit_code


def merge_command(
    places: Annotated[list[Path], typer.Argument(help="Runs, or folders that runs lie in.")],
    *,
    into: Annotated[Path, typer.Option(help="Folder of the merged run; it is made anew.")],
) -> None:
    """Make one run of several shards; exit as the worst of them did."""
    results = merged(places, into)
    raise typer.Exit(exit_code(results))


def merged(places: list[Path], into: Path) -> RunResults:
    """Merge, write every report, show the summary."""
    done = merge(find_shards(places), into)
    results = load(into)
    junit.write(into / "junit.xml", results)
    page.write(into, results)
    summary(Console(soft_wrap=True), results, exit_code=exit_code(results))
    lost = f", {len(done.missing)} left nothing" if done.missing else ""
    typer.echo(f"merged {len(done.shards)} shards with {done.cases} cases into {into}{lost}")
    return results
