"""``virtci tck URI [AREA...]``: the libvirt API behaviours on one connection."""

from __future__ import annotations

import threading
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ci.codec import fingerprint, from_json, to_json
from ci.commands.options import RUNS_DEFAULT, Resume, RunsFolder
from ci.commands.suite_options import Known, Packages, known_issues, packages_folder, words
from ci.deadline import Deadline
from ci.errors import UsageError
from ci.guest.build import build_guest
from ci.journal import read
from ci.launch.target import SuiteEnd, Target
from ci.launch.tck import TckSuite
from ci.model import CaseResult, Outcome, Record
from ci.pipelines.alone import explain_after, watched
from ci.pipelines.interrupt import stop_on_signals
from ci.pipelines.runs import find, header_of_command, new_id
from ci.pipelines.target import is_local, target_at
from ci.report.console import STYLES, ConsoleWatcher, summary
from ci.report.live import LiveJUnit
from ci.report.loading import load
from ci.report.results import RunHeader, exit_code
from ci.run import Run
from ci.shell import LocalShell
from ci.watcher import Watchers
from suites.tck import AREAS, is_known

GUEST_SECONDS = 900.0
# a case on QEMU waits half of its time for a process to begin or end; not more workers, since those
# that a crash meets share the blame for it
QEMU_WORKERS = 3
LOCAL_WORKERS = 2
REMOTE_WORKERS = 1  # a host elsewhere is often one that emulates: there cases run one by one

app = typer.Typer()


@app.command()
def tck(
    uri: Annotated[str, typer.Argument(help="The libvirt connection, e.g. test:///default.")] = "",
    areas: Annotated[
        list[str] | None, typer.Argument(help="Areas, or area/case; default: all.")
    ] = None,
    *,
    destructive: Annotated[
        bool, typer.Option(help="Also suspend the node, detach its devices ...")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Multiplies the deadlines of calls.")
    ] = 1.0,
    seconds: Annotated[int, typer.Option(min=1, help="Limit of the whole suite.")] = 3600,
    workers: Annotated[
        int,
        typer.Option(
            min=0, max=64, help="Processes; 0: 3 for QEMU here, 2 for others, 1 elsewhere."
        ),
    ] = 0,
    daemon_probe: Annotated[
        str, typer.Option(help="Command that prints pid and start of a daemon elsewhere.")
    ] = "",
    hypervisor_list: Annotated[
        str, typer.Option(help="Command: the hypervisor's own list, as xl list prints it.")
    ] = "",
    hypervisor_destroy: Annotated[
        str, typer.Option(help="Command: ends a domain of it, whose number is put behind.")
    ] = "",
    guest_kernel: Annotated[str, typer.Option(help="Kernel of the guest, on the host.")] = "",
    guest_initrd: Annotated[str, typer.Option(help="Its initrd.")] = "",
    packages: Packages = None,
    known: Known = None,
    resume: Resume = "",
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Test the libvirt API on a connection, behaviour by behaviour.

    Exit codes: 0 all passed or unsupported, 1 some failed, 2 wrong arguments, 3 the lab failed.
    """
    console = Console(soft_wrap=True)
    if resume and not uri:
        folder = find(runs, resume)
        ordered = from_json(header_of_command(folder, "tck").plan_text, Ordered)
        raise typer.Exit(run_tck(console, folder, ordered.suite, ordered.uri, ordered.reach))
    if not uri:
        raise UsageError("which connection?", hint="virtci tck test:///default")
    suite = TckSuite(
        areas=_checked(areas or []),
        destructive=destructive,
        seconds=seconds,
        patience=patience,
        workers=workers or workers_for(uri),
    )
    folder = find(runs, resume) if resume else runs / new_id("tck")
    reach = Reach(
        kernel=guest_kernel,
        initrd=guest_initrd,
        probe=words("--daemon-probe", daemon_probe),
        packages=packages_folder(packages),
        known=known_issues(known),
        listing=words("--hypervisor-list", hypervisor_list),
        destroy=words("--hypervisor-destroy", hypervisor_destroy),
    )
    raise typer.Exit(run_tck(console, folder, suite, uri, reach))


def workers_for(uri: str) -> int:
    """How many cases a connection is given at once when nobody says."""
    if not is_local(uri):
        return REMOTE_WORKERS
    return QEMU_WORKERS if uri.startswith("qemu") else LOCAL_WORKERS


def _checked(areas: list[str]) -> tuple[str, ...]:
    for area in areas:
        if not is_known(area):
            what = "case" if area.partition("/")[0] in AREAS else "area"
            raise UsageError(f'there is no {what} "{area}"; known: {", ".join(AREAS)}')
    return tuple(areas)


class Reach(Record, frozen=True, kw_only=True):
    """What the command line says of a connection besides its URI."""

    kernel: str = ""
    initrd: str = ""
    probe: tuple[str, ...] = ()
    packages: str = ""
    known: str = ""
    listing: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()


class Ordered(Record, frozen=True, kw_only=True):
    """What a run of this command was asked for; kept to go on with it."""

    suite: TckSuite
    uri: str
    reach: Reach


def _target(console: Console, uri: str, reach: Reach) -> Target:
    """QEMU on this machine boots our own guest; a Xen host has it where the deployment put it."""
    target = target_at(uri, kernel=reach.kernel, initrd=reach.initrd, probe=reach.probe)
    if reach.listing:
        target = msgspec.structs.replace(
            target,
            hypervisor_list=reach.listing,
            hypervisor_destroy=reach.destroy,
        )
    if target.hypervisor == "qemu" and not target.kernel and is_local(uri):
        guest = build_guest(LocalShell(), Deadline.after(GUEST_SECONDS), say=typer.echo)
        target = msgspec.structs.replace(target, kernel=guest.kernel, initrd=guest.initrd)
    if not is_local(uri) and not target.daemon_probe:
        console.print(
            "a daemon that dies elsewhere is only known by its broken connection; --daemon-probe"
            " names a command that prints its pid and start time",
            highlight=False,
        )
    return target


NO_REACH = Reach()


def run_tck(
    console: Console, folder: Path, suite: TckSuite, uri: str, reach: Reach = NO_REACH
) -> int:
    """Run the suite into ``folder`` and show how it went; gives the exit code."""
    target = _target(console, uri, reach)
    packages = Path(reach.packages) if reach.packages else None
    stop = threading.Event()
    junit = LiveJUnit(folder)
    run = Run(folder, watcher=Watchers(ConsoleWatcher(console), junit), stop=stop)
    try:
        console.print(f"run {run.folder}", highlight=False)
        run.note("run", "tck", _header(Ordered(suite=suite, uri=uri, reach=reach)))
        with stop_on_signals(stop):
            name = f"suites/{target.host}/tck"
            with watched(run, target, suite.name):
                end = run.step(name, SuiteEnd, suite.run, target, seconds=float(suite.seconds))
            explain_after(run, target, end, lasts=True, packages=packages, known=reach.known)
        run.note("ended")
    finally:
        run.close()
    junit.write()
    results = load(folder)
    _areas(console, folder / end.ledger)
    summary(console, results, exit_code=exit_code(results))
    return exit_code(results)


def _header(ordered: Ordered) -> RunHeader:
    return RunHeader(
        plan="tck",
        plan_digest=fingerprint(ordered.suite, ordered.uri),
        virtci=version("virtci"),
        plan_text=to_json(ordered).decode(),
    )


def _areas(console: Console, ledger: Path) -> None:
    """How each area did."""
    counts: dict[str, Counter[Outcome]] = {}
    for event in read(ledger):
        if event.what == "case":
            case = from_json(event.data, CaseResult)
            counts.setdefault(case.name.split("/")[0], Counter())[case.outcome] += 1
    table = Table(box=None, pad_edge=False)
    table.add_column("area")
    for outcome in Outcome:
        table.add_column(str(outcome), justify="right", style=STYLES[outcome])
    for area, of_area in sorted(counts.items()):
        table.add_row(area, *(str(of_area[o]) if of_area[o] else "" for o in Outcome))
    console.print(table)
