"""``virtci doctor``: what this machine can do, tried for real, and how to get what is missing."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape

from ci.doctor.checks import CHECKS
from ci.doctor.finding import State

app = typer.Typer()
STYLES = {State.GOOD: "green", State.LIMITED: "yellow", State.MISSING: "bold red"}


@app.command()
def doctor() -> None:
    """Try what virtci needs; say what works, what is limited, what is missing and how to get it.

    Exit code: 0 when the main job can be done here, 3 when something it needs is missing.
    """
    console = Console(soft_wrap=True)
    missing = 0
    for check in CHECKS:
        for finding in check():
            missing += finding.state is State.MISSING and finding.needed
            word = f"[{STYLES[finding.state]}]{finding.state:8}[/]"
            console.print(f"{word} {finding.what:16} {escape(finding.text)}", highlight=False)
            if finding.cure:
                console.print(f"{'':26}{escape(finding.cure)}", highlight=False)
    raise typer.Exit(3 if missing else 0)
