"""``virtci parity``: which libvirt call works on which driver, against what is declared and was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ci.commands.options import RUNS_DEFAULT, RunsFolder
from ci.commands.tck import run_tck, workers_for
from ci.errors import UsageError
from ci.launch.tck import TckSuite
from ci.pipelines.runs import find, new_id
from suites.tck import baseline, parity, parity_page
from suites.tck.parity import Cell, Change, Matrix, Status

STYLES = {
    Status.WORKS: "green",
    Status.FAILS: "yellow",
    Status.UNSUPPORTED: "dim",
    Status.CRASHES: "bold red",
    Status.HANGS: "bold red",
    Status.UNTESTED: "",
}
LOST = 1

app = typer.Typer()


@app.command("parity")
def parity_command(
    uris: Annotated[list[str] | None, typer.Argument(help="Connections to test now.")] = None,
    *,
    use: Annotated[
        list[str] | None, typer.Option("--run", help="A run with tck suites to read instead.")
    ] = None,
    short: Annotated[bool, typer.Option(help="Only what does not simply work.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for parity.html, .csv, .json; default: runs/parity.")
    ] = None,
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Print the matrix call x driver, and what changed since the last time.

    Exit codes: 0, or 1 when a call that worked does not work any more.
    """
    folder = out or runs / "parity"
    console = Console(soft_wrap=True)
    matrix = parity.from_ledgers(_ledgers(console, uris or [], use or [], runs))
    if not matrix.drivers:
        raise UsageError("no calls were recorded", hint="name a URI, or --run RUN of a tck suite")
    before = parity.load(folder / "parity.json")
    news = parity.changes(before, matrix)
    _write(folder, parity.merged(before, matrix), news)
    _show(console, matrix, short=short)
    lost = _tell(console, news)
    console.print(f"written     {folder}/parity.html, .csv, .json", highlight=False)
    raise typer.Exit(LOST if lost else 0)


def _ledgers(console: Console, uris: list[str], use: list[str], runs: Path) -> list[Path]:
    folders = [find(runs, name) for name in use]
    for uri in uris:
        folder = runs / new_id("parity")
        run_tck(console, folder, TckSuite(workers=workers_for(uri)), uri)
        folders.append(folder)
    return [ledger for folder in folders for ledger in folder.glob("suites/*/*/ledger.jsonl")]


def _write(folder: Path, matrix: Matrix, news: tuple[Change, ...]) -> None:
    parity.save(folder / "parity.json", matrix)
    (folder / "parity.csv").write_text(parity_page.as_csv(matrix), encoding="utf-8")
    (folder / "parity.html").write_text(parity_page.as_html(matrix, news), encoding="utf-8")


def _show(console: Console, matrix: Matrix, *, short: bool) -> None:
    """One line a call, never wrapped: names are long, and `grep` has to find them."""
    drivers = sorted(matrix.drivers)
    heads = "".join(f"{driver:20}" for driver in drivers)
    console.print(f"[bold]{'call':46}{heads}[/]", no_wrap=True, crop=False, highlight=False)
    for function in matrix.functions():
        cells = [matrix.drivers[driver].get(function) for driver in drivers]
        if short and all(cell is None or cell.status is Status.WORKS for cell in cells):
            continue
        line = f"{function:46}" + "".join(map(_text, cells))
        console.print(line, no_wrap=True, crop=False, highlight=False)
    for driver in drivers:
        counts = parity.counts(matrix.drivers[driver])
        text = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
        share = parity.coverage(matrix.drivers[driver])
        console.print(f"{driver}: {text}; {share:.0%} of the declared were called", highlight=False)


def _text(cell: Cell | None) -> str:
    if cell is None:
        return f"{'-':20}"
    style = STYLES[cell.status]
    return f"[{style}]{cell.status:20}[/]" if style else f"{cell.status:20}"


def _tell(console: Console, news: tuple[Change, ...]) -> bool:
    """Print what changed; whether something was lost that no baseline excuses."""
    lost = False
    for change in news:
        excuse = _excuse(change) if change.lost else ""
        lost = lost or (change.lost and not excuse)
        word = "LOST" if change.lost else "news"
        style = "bold red" if change.lost and not excuse else "cyan"
        text = f"{change.driver}: {change.function} {change.before} -> {change.after}"
        console.print(f"[{style}]{word}[/] {text}{excuse}", highlight=False)
    return lost


def _excuse(change: Change) -> str:
    for entry in baseline.lost_for(change.driver):
        if entry.function == change.function and baseline.today() <= entry.expires:
            return f" (accepted until {entry.expires}: {entry.reason})"
    return ""
