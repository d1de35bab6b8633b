"""``virtci report convert|diff``: results in another form, and two results side by side."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ci.commands.options import RUNS_DEFAULT, RunsFolder
from ci.errors import UsageError
from ci.pipelines.runs import find
from ci.report import junit
from ci.report.compare import Difference, compare
from ci.report.convert import as_json, as_markdown
from ci.report.junit_read import read_junit
from ci.report.loading import load
from ci.report.page import write
from ci.report.results import RunResults
from ci.report.tallies import Tally
from ci.report.wording import tidy

SHOWN = 50


class Form(enum.StrEnum):
    """What results can be turned into."""

    JUNIT = "junit"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


def either(runs: Path, name: str) -> RunResults:
    """A run, or a JUnit file (ours or another tool's). Raises UsageError when it is neither."""
    return read_junit(Path(name)) if name.endswith(".xml") else load(find(runs, name))


def convert_command(
    what: Annotated[str, typer.Argument(help="A run, or a JUnit file.")],
    *,
    to: Annotated[Form, typer.Option(help="Into what.")] = Form.MARKDOWN,
    out: Annotated[Path | None, typer.Option(help="File; html: folder. Default: print.")] = None,
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Turn a run or a JUnit file into JUnit, Markdown, JSON or a page."""
    results = either(runs, what)
    if to in (Form.JUNIT, Form.HTML) and out is None:
        raise UsageError(f"{to} is written to a file", hint="add --out PATH")
    match to:
        case Form.JUNIT if out is not None:
            junit.write(out, results)
        case Form.HTML if out is not None:
            typer.echo(write(out, results))
        case _:
            text = as_json(results) if to is Form.JSON else as_markdown(results)
            if out is None:
                typer.echo(text, nl=False)
            else:
                out.write_text(text, encoding="utf-8")


def diff_command(
    before: Annotated[str, typer.Argument(help="A run, or a JUnit file.")],
    now: Annotated[str, typer.Argument(help="A later one.")],
    *,
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Say what broke, what was fixed and what else is another; exit 1 when something broke."""
    found = compare(either(runs, before), either(runs, now))
    show(Console(soft_wrap=True), found)
    raise typer.Exit(1 if found.broke else 0)


def show(console: Console, found: Difference) -> None:
    console.print(
        f"{len(found.broke)} broke, {len(found.still)} still bad, {len(found.fixed)} fixed, "
        f"{len(found.gone)} no longer run",
        highlight=False,
    )
    for what, then, now in found.facts:
        console.print(f"  {escape(what)}: {escape(then)} -> {escape(now)}", highlight=False)
    for host in found.packages:
        console.print(f"  {escape(host.sentence(found.before))}", highlight=False)
    for word, style, tests in (
        ("broke", "bold red", found.broke),
        ("still bad", "red", found.still),
        ("fixed", "green", found.fixed),
    ):
        for test in tests[:SHOWN]:
            console.print(f"[{style}]{word}[/] {_line(test)}", highlight=False)
        if len(tests) > SHOWN:
            console.print(f"  ... and {len(tests) - SHOWN} more", highlight=False)


def _line(test: Tally) -> str:
    where = f" on {test.host}" if test.host else ""
    why = f": {tidy(test.message)}" if test.message else ""
    return escape(f"{test.suite}{where}: {test.name}{why}")
