"""``virtci crash show|group FILE...``: what crashes were, and which are one bug."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from ci.codec import read_text, to_json
from ci.crash.attribution import blame
from ci.crash.bundle import make_bundle, usual_domain
from ci.crash.explain import CrashReport, explain
from ci.crash.files import Found, crashes_in
from ci.crash.group import Group, group
from ci.crash.known import KnownIssues, read_known
from ci.crash.rpms import build_of
from ci.crash.told import told
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.shell import LocalShell

SECONDS = 600.0

app = typer.Typer(
    no_args_is_help=True, help="Explain crashes: name them, show them, group them by bug."
)
Files = Annotated[
    list[Path],
    typer.Argument(help="Text of gdb, coredumpctl, abrt or a sanitizer, a console, or a core."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


Known = Annotated[
    Path | None, typer.Option("--known", help="File of known issues: tickets, owners, waivers.")
]


@app.command("show")
def show(files: Files, *, json: Json = False, known: Known = None) -> None:
    """Say what each crash was: its signature, the thread that died, what tells."""
    found = _read(files)
    issues = read_known(known) if known else KnownIssues()
    if json:
        records = [told(one.trace, one.file) for one in found]
        typer.echo(to_json(records).decode())
        return
    for number, one in enumerate(found):
        if number:
            typer.echo()
        shown = told(one.trace, one.file)
        typer.echo(shown.text())
        if issue := issues.of(shown.signature):
            typer.echo(f"  known      {issue.label(_today())}")


Packages = Annotated[
    Path | None, typer.Option(help="Folder of the packages that ran there, with debuginfo.")
]


@app.command("evidence")
def evidence(
    folder: Annotated[Path, typer.Argument(help="What was gathered from a host.")],
    *,
    packages: Packages = None,
    json: Json = False,
) -> None:
    """Name every crash that a folder of evidence tells of: cores, journals, consoles."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of evidence")
    reports = explain(
        folder,
        build_of(packages, Deadline.after(SECONDS)) if packages else None,
        Deadline.after(SECONDS),
    )
    if json:
        typer.echo(to_json(reports).decode())
        return
    for report in reports:
        typer.echo(_page(report))
    if not reports:
        typer.echo(f"{folder} tells of no crash")


def _page(report: CrashReport) -> str:
    lines = [report.told.text() if not report.trouble else report.signature]
    lines += [f"  file       {file}" for file in report.files]
    lines += [f"  backtrace  {report.backtrace}"] * bool(report.backtrace)
    lines += [f"  no symbols {module}" for module in report.missing]
    lines += [f"  log        {text}" for text in report.errors]
    lines += [f"  unread     {report.trouble}"] * bool(report.trouble)
    return "\n".join(lines)


Ledger = Annotated[Path, typer.Argument(help="The ledger.jsonl of a stress loop.")]


@app.command("blame")
def blame_calls(ledger: Ledger, *, json: Json = False) -> None:
    """Say during which call of a loop the daemon died or hung, and when it was back."""
    found = blame(_there(ledger))
    if json:
        typer.echo(to_json(found).decode())
        return
    for one in found:
        typer.echo(one.sentence())
    if not found:
        typer.echo(f"{ledger} shows no death of a daemon")


@app.command("bundle")
def bundle(
    ledger: Ledger,
    folder: Annotated[Path, typer.Argument(help="Where the bundle goes.")],
    *,
    domain: Annotated[
        Path | None, typer.Option(help="The guest's XML; default: as the loop makes it.")
    ] = None,
    packages: Packages = None,
    crash: Annotated[Path | None, typer.Option(help="Folder of the crash's evidence.")] = None,
) -> None:
    """Make a reproducer: script, domain, facts, and a text for upstream."""
    xml = read_text(domain) if domain else usual_domain(_there(ledger))
    build = build_of(packages, Deadline.after(SECONDS)) if packages else None
    reports = explain(crash, build, Deadline.after(SECONDS)) if crash else ()
    facts = make_bundle(
        folder,
        _there(ledger),
        domain=xml,
        packages=tuple(rpm.nevra for rpm in build.rpms if not rpm.debug) if build else (),
        report=reports[0] if reports else None,
    )
    typer.echo(f"{folder}: {facts.tripped} of {facts.played} loops of {' '.join(facts.sequence)}")


def _there(ledger: Path) -> Path:
    if not ledger.is_file():
        raise UsageError(f"there is no ledger {ledger}", hint="runs/ID/suites/HOST/stress/")
    return ledger


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()


@app.command("group")
def group_files(files: Files, *, json: Json = False) -> None:
    """Put crashes of the same bug together, whatever build they came from."""
    found = _read(files)
    groups = group([one.trace for one in found])
    if json:
        typer.echo(to_json([_as_json(one, found) for one in groups]).decode())
        return
    for one in groups:
        names = _files(one, found)
        crashes = "1 crash" if len(one.members) == 1 else f"{len(one.members)} crashes"
        typer.echo(f"{one.signature}  ({crashes})")
        for name in names:
            typer.echo(f"    {name}")


def _as_json(one: Group, found: list[Found]) -> dict[str, str | list[str]]:
    return {"signature": one.signature, "files": _files(one, found)}


def _files(one: Group, found: list[Found]) -> list[str]:
    return list(dict.fromkeys(found[member].file for member in one.members))


def _read(files: list[Path]) -> list[Found]:
    """All crashes of all files. A file without any is named; only such files are an error."""
    shell, deadline = LocalShell(), Deadline.after(SECONDS)
    found: list[Found] = []
    silent: list[str] = []
    for path in files:
        crashes = crashes_in(path, shell, deadline)
        found.extend(crashes)
        if not crashes:
            silent.append(str(path))
    if not found:
        raise UsageError(
            f"no crash is told of in {', '.join(silent)}",
            hint="give the output of gdb (thread apply all bt), coredumpctl info, or a core",
        )
    for name in silent:
        typer.echo(f"virtci: {name} tells of no crash; left out", err=True)
    return found
