"""``virtci plans``: the plans of a folder, each checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ci.errors import UsageError
from ci.pipelines.afterwards import prepare
from ci.pipelines.plan import load_plan

app = typer.Typer()


@app.command()
def plans(
    folder: Annotated[Path, typer.Argument(help="Where plan files lie.")] = Path("plans"),
) -> None:
    """List the plans (TOML files) of a folder with what they do; exit 2 when one is wrong."""
    console = Console(soft_wrap=True)
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise UsageError(f"there are no plans (*.toml) in {folder}")
    wrong = 0
    for path in files:
        try:
            loaded = load_plan(path)
            prepare(loaded)
        except UsageError as error:
            wrong += 1
            console.print(f"[red]wrong[/] {escape(error.message)}", highlight=False)
            continue
        plan = loaded.plan
        hosts = ", ".join(host.name for host in plan.hosts)
        suites = ", ".join(suite.name for suite in plan.suites) or "no suites"
        title = plan.report.title or "no title"
        console.print(f"{path}: {escape(title)}; on {hosts}: {suites}", highlight=False)
    raise typer.Exit(UsageError.exit_code if wrong else 0)
