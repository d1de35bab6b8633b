"""``virtci report RUN``: a run's summary again, and its reports written anew."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ci.commands.options import RUNS_DEFAULT, RunsFolder
from ci.commands.report_files import convert_command, diff_command
from ci.commands.report_merge import merge_command
from ci.deadline import Deadline
from ci.errors import InfraError
from ci.pipelines.runs import find
from ci.report import junit
from ci.report.console import summary
from ci.report.loading import load
from ci.report.page import FOLDER, PAGE, write
from ci.report.results import RunResults, exit_code
from ci.shell import LocalShell

OPEN_SECONDS = 30.0
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


class ShownByDefault(TyperGroup):
    """``report RUN`` is ``report show RUN``; only the other commands are words of their own."""

    # typer keeps click's Context to itself, so its type has no public name
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=ShownByDefault)
app.command("merge")(merge_command)
app.command("convert")(convert_command)
app.command("diff")(diff_command)


@app.command("show")
def report(
    run: Annotated[str, typer.Argument(help="A run's id, a part of it, its folder, or last.")],
    *,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Write the reports of a run from its journal, and show its summary; exit as the run did."""
    folder = find(runs, run)
    results = load(folder)
    page = _written(folder, results)
    code = 130 if results.interrupted else exit_code(results)
    summary(Console(soft_wrap=True), results, exit_code=code)
    typer.echo(f"page        {page}")
    if open_it:
        open_page(page)
    raise typer.Exit(code)


def _written(folder: Path, results: RunResults) -> Path:
    """The page's place. A run that this user may read and not write shows its summary all the same:
    its reports stay as they are."""
    try:
        junit.write(folder / "junit.xml", results)
        return write(folder, results)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        typer.echo(f"the reports stay as they are: {folder}: {error.strerror}", err=True)
        return folder / FOLDER / PAGE


def open_page(page: Path) -> None:
    """Show a page in the user's browser. Raises InfraError when there is none."""
    opener = shutil.which("xdg-open")
    if opener is None:
        raise InfraError(f"there is no browser to open {page} with", hint="install xdg-utils")
    done = LocalShell().run((opener, str(page.absolute())), Deadline.after(OPEN_SECONDS))
    if not done.ok:
        raise InfraError(f"{opener} could not open {page}", detail=done.tail())
