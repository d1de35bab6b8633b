"""Runs as folders: starting one, going on with one, listing them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec

from ci.codec import from_json
from ci.errors import UsageError
from ci.journal import Event, read
from ci.pipelines.plan import LoadedPlan
from ci.report.results import RunHeader
from ci.run import Run

STAMP = len("20261123-101500")
ALONE = ("stress", "tck")  # commands whose runs have no plan file


def new_id(plan: str) -> str:
    """``20261123-101500-demo-3f09a7``: sorts by time, says what it was, two at once differ.

    The last digits are four of the second's fraction, and two by chance.
    """
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{stamp}-{Path(plan).stem}-{int(now % 1 * 65536):04x}{secrets.token_hex(1)}"


def header_of(loaded: LoadedPlan) -> RunHeader:
    return RunHeader(
        plan=loaded.path,
        plan_digest=loaded.digest,
        virtci=version("virtci"),
        plan_text=loaded.text,
        changes=loaded.changes,
        title=loaded.plan.report.title,
    )


def find(runs: Path, name: str) -> Path:
    """The folder of a run, by its id, a unique part of it, its path, or ``last``.

    Raises UsageError when there is none, or several.
    """
    if (Path(name) / "journal.jsonl").is_file():
        return Path(name)
    known = [folder.name for folder in folders(runs)]
    matches = known[-1:] if name == "last" else [run for run in known if name in run]
    if name in known:
        matches = [name]
    if len(matches) == 1:
        return runs / matches[0]
    what = "several runs match" if matches else "there is no run"
    raise UsageError(f'{what} "{name}" in {runs}', hint="virtci runs lists them")


def folders(runs: Path) -> Iterator[Path]:
    """Every run's folder below ``runs``, oldest first."""
    for journal in sorted(runs.glob("*/journal.jsonl"), key=_begun):
        yield journal.parent


def _begun(journal: Path) -> tuple[str, float, str]:
    """What puts runs in order: the names know seconds only, their journals tell more."""
    try:
        with journal.open("rb") as file:
            at = msgspec.json.decode(file.readline(), type=Event).at
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError):  # cut or damaged
        at = 0.0  # who reads on says so
    name = journal.parent.name
    return name[:STAMP], at, name


def recorded_header(folder: Path) -> RunHeader:
    """What the run was begun with. Raises UsageError when the journal does not say."""
    for event in read(folder / "journal.jsonl"):
        if event.what == "run":
            return from_json(event.data, RunHeader)
        break
    raise UsageError(f"{folder} was cut before it began; there is nothing to resume")


def header_of_command(folder: Path, command: str) -> RunHeader:
    """The header of a run of ``virtci run``, ``stress`` or ``tck``; UsageError when of another."""
    header = recorded_header(folder)
    began = header.plan if header.plan in ALONE else "run"
    if began != command:
        raise UsageError(
            f"{folder.name} was begun by virtci {began}, not by virtci {command}",
            hint=f"virtci {began} --resume {folder.name}",
        )
    return header


def begin(run: Run, loaded: LoadedPlan, *, resumed: bool) -> None:
    """Write the first event of this sitting. Raises UsageError when the plan has changed."""
    header = header_of(loaded)
    if not resumed:
        run.note("run", run.folder.name, header)
        return
    before = recorded_header(run.folder)
    for what, then, now in (
        ("the plan", before.plan_digest, header.plan_digest),
        ("virtci's version", before.virtci, header.virtci),
    ):
        if then != now:
            raise UsageError(
                f"{what} has changed since {run.folder.name} was begun ({then} then, {now} now)",
                hint=f"start anew with: virtci run {loaded.path}",
            )
    run.note("resumed", run.folder.name)
