"""``virtci gate PLAN|RUN --policy FILE``: may this be released? With every reason."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ci.commands.options import RUNS_DEFAULT, RunsFolder
from ci.gate.evidence import of_plan, of_run
from ci.gate.policy import Decision, decide, load_policy
from ci.gate.ruling import Verdict
from ci.pipelines.runs import find

STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold magenta"}
SHOWN = 20

app = typer.Typer()


@app.command()
def gate(
    what: Annotated[
        str, typer.Argument(help="A plan file (all runs of its newest revision) or a run.")
    ],
    *,
    policy: Annotated[Path, typer.Option(help="What has to be shown (TOML).")],
    database: Annotated[
        str,
        typer.Option(envvar="VIRTCI_HISTORY", help="History with the signatures known before."),
    ] = "",
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Judge evidence by a policy; exit 0 only when all of it is shown.

    Exit codes: 0 pass, 1 fail, 2 wrong arguments or policy, 3 inconclusive.
    """
    wanted = load_policy(policy)
    is_plan = what.endswith(".toml")
    evidence = of_plan(Path(what), runs) if is_plan else of_run(find(runs, what))
    if database:
        from ci.gate.known import with_history  # noqa: PLC0415 - half a second, only if asked for

        evidence = with_history(evidence, database)
    decision = decide(wanted, evidence, datetime.now(tz=UTC).date())
    show(Console(soft_wrap=True), decision, [run.id for run in evidence.runs])
    raise typer.Exit(decision.exit_code)


def show(console: Console, decision: Decision, runs: list[str]) -> None:
    console.print(
        f"[{STYLES[decision.verdict]}]{decision.verdict.upper()}[/]: {', '.join(runs)}",
        highlight=False,
    )
    for ruling in decision.rulings:
        style = STYLES[ruling.verdict]
        console.print(
            f"[{style}]{ruling.verdict:>12}[/] {escape(ruling.requirement)}", highlight=False
        )
        for reason in ruling.reasons[:SHOWN]:
            console.print(f"{'':>12} - {escape(reason)}", highlight=False)
        if len(ruling.reasons) > SHOWN:
            console.print(f"{'':>12} ... and {len(ruling.reasons) - SHOWN} more", highlight=False)
    for note in decision.notes:
        console.print(f"{'note':>12} {escape(note)}", highlight=False)
