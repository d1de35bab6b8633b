"""``virtci digest --since monday``: the weekly report of work, written by itself."""

from __future__ import annotations

import enum
import time
from pathlib import Path
from typing import Annotated

import typer

from ci.commands.history import Database
from ci.commands.when import days_ago
from ci.errors import UsageError
from ci.history.database import opened
from ci.history.digest import digest as digest_of
from ci.history.digest import write

app = typer.Typer()


class Form(enum.StrEnum):
    """How it is written."""

    MARKDOWN = "markdown"
    TEXT = "text"
    HTML = "html"


@app.command()
def digest(
    *,
    since: Annotated[str, typer.Option(help="monday, 7d, 2026-01-31 ...")] = "monday",
    until: Annotated[str, typer.Option(help="The day after the last one; default: now.")] = "",
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.MARKDOWN,
    out: Annotated[Path | None, typer.Option(help="File. Default: print.")] = None,
    database: Database = "",
) -> None:
    """Say what ran, what broke, what was fixed, what loops prove, and what the lab cost."""
    end = days_ago(until) if until else time.time()
    begin = days_ago(since)
    if end <= begin:
        raise UsageError(f"there are no days from {since} until {until or 'now'}")
    with opened(database) as history, history.reading() as connection:
        text = write(digest_of(connection, begin, end), form)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
