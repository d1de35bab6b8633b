"""``virtci notify RUN --to FILE``: tell people of a run, once, when it is worth it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ci.commands.options import RUNS_DEFAULT, RunsFolder
from ci.errors import InfraError
from ci.notify.message import compose
from ci.notify.notify import notify as tell
from ci.notify.notify import what_to_tell
from ci.notify.recipients import load_recipients
from ci.pipelines.runs import find
from ci.report.loading import load

app = typer.Typer()


@app.command()
def notify(
    run: Annotated[str, typer.Argument(help="A run's id, a part of it, its folder, or last.")],
    *,
    to: Annotated[Path, typer.Option(help="Who is told what (TOML).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it; send nothing.")] = False,
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Tell of new failures, failures that stay (ever more rarely), fixes and lab trouble."""
    recipients = load_recipients(to)
    folder = find(runs, run)
    results = load(folder)
    decided = what_to_tell(folder, results)
    if decided.news is None:
        typer.echo(f"nothing to tell: {decided.why}")
        return
    if dry_run:
        message = compose(results, decided, recipients.link)
        plan = Path(results.header.plan).stem
        names = [one.name for one in recipients.recipients if one.wants(decided, plan)]
        typer.echo(f"to: {', '.join(names) or 'nobody'}\n{message.title}\n\n{message.body}")
        return
    from ci.notify.sender import send  # noqa: PLC0415 - apprise takes a second

    told = tell(folder, results, decided, recipients, send)
    for one in told:
        typer.echo(f"{one.recipient}: {one.state}{f' ({one.why})' if one.why else ''}")
    if any(one.state == "failed" for one in told):
        raise typer.Exit(InfraError.exit_code)
