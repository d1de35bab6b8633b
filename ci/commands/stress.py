"""``virtci stress URI [SCENARIO]``: loop guests on one connection, to a verdict."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from ci.codec import fingerprint, from_json, to_json
from ci.commands.options import RUNS_DEFAULT, Resume, RunsFolder
from ci.commands.stress_target import Reach
from ci.commands.suite_options import Known, Packages, known_issues, packages_folder
from ci.errors import EXIT_INTERRUPTED, Interrupted, UsageError
from ci.journal import read
from ci.launch.stress import NOT_SAID, StressSuite
from ci.launch.target import SuiteEnd, Target
from ci.model import Record
from ci.pipelines.alone import explain_after, watched
from ci.pipelines.interrupt import stop_on_signals
from ci.pipelines.runs import find, header_of_command, new_id
from ci.report.console import summary
from ci.report.live import LiveJUnit
from ci.report.live_view import watching
from ci.report.loading import load
from ci.report.results import RunHeader, exit_code
from ci.run import Run
from ci.watcher import Watchers

LIMIT_SECONDS = 365 * 86400  # a soak ends by its own aim
VERDICTS = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}

app = typer.Typer()


class Ordered(Record, frozen=True, kw_only=True):
    """What a run of this command was asked for; kept to go on with it."""

    suite: StressSuite
    target: Target
    packages: str = ""
    known: str = ""


@app.command()
def stress(
    uri: Annotated[str, typer.Argument(help="The libvirt connection: test:///default ...")] = "",
    scenario: Annotated[
        str, typer.Argument(help="A shipped scenario, a file x.toml, or x.py:function.")
    ] = "lifecycle",
    *,
    loops: Annotated[int, typer.Option("-n", "--loops", help="Iterations.", min=1)] = NOT_SAID,
    time: Annotated[str, typer.Option(help="End after: 90s, 8h ...")] = "",
    until: Annotated[str, typer.Option(help="End when shown: 'rate<0.5% @95%'.")] = "",
    against: Annotated[str, typer.Option(help="Was the fix a fix? K/N failed before it.")] = "",
    plan_only: Annotated[bool, typer.Option(help="Say how many loops are needed.")] = False,
    guests: Annotated[str, typer.Option(help="How many at once, or auto.")] = "1",
    knobs: Annotated[list[str] | None, typer.Option(help="An amplifier to turn on.")] = None,
    amplify: Annotated[str, typer.Option(help="Measure each amplifier so long first.")] = "",
    only: Annotated[int, typer.Option(help="Play this one iteration again.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Of random scenarios.")] = 1,
    on_daemon_death: Annotated[str, typer.Option(help="stop or continue.")] = "continue",
    guest_kind: Annotated[str, typer.Option(help="qemu, kvm, xen, xenpvh ...")] = "",
    guest_kernel: Annotated[str, typer.Option(help="Path on the host.")] = "",
    guest_initrd: Annotated[str, typer.Option(help="Path on the host.")] = "",
    memory_mib: Annotated[int, typer.Option(help="Of each guest.", min=32)] = 96,
    hypervisor_list: Annotated[str, typer.Option(help="Command: the hypervisor's own list.")] = "",
    daemon_probe: Annotated[str, typer.Option(help="Command: the daemon's pid.")] = "",
    inventory: Annotated[
        str, typer.Option(help="Command: a line for each object that guests may leave.")
    ] = "",
    daemon_restart: Annotated[str, typer.Option(help="Command, for restart_daemon.")] = "",
    destination: Annotated[str, typer.Option(help="A second host's URI, for migrate.")] = "",
    migrate_uri: Annotated[
        str, typer.Option(help="What the hosts call each other: THERE[,BACK].")
    ] = "",
    packages: Packages = None,
    known: Known = None,
    resume: Resume = "",
    runs: RunsFolder = RUNS_DEFAULT,
) -> None:
    """Loop guests on a connection until something is shown; every iteration is on record.

    Exit codes: 0 shown without a failure, 1 something failed, 2 wrong arguments, 3 nothing was
    shown or the lab failed, 130 interrupted (go on with --resume).
    """
    console = Console(soft_wrap=True)
    if resume:
        raise typer.Exit(_go_on(console, find(runs, resume)))
    with _refused():
        suite = StressSuite(
            scenario=scenario,
            loops=loops,
            time=time,
            until=until,
            against=against,
            guests=_count(guests),
            knobs=tuple(knobs or ()),
            amplify=amplify,
            only=only,
            seed=seed,
            on_daemon_death=_choice(on_daemon_death),
            guest_kind=guest_kind,
            memory_mib=memory_mib,
            seconds=LIMIT_SECONDS,
        ).located(Path.cwd())
    for line in suite.decided():
        console.print(escape(line), highlight=False)
    if plan_only:
        return
    target = Reach(
        uri=uri,
        kernel=guest_kernel,
        initrd=guest_initrd,
        hypervisor_list=hypervisor_list,
        daemon_probe=daemon_probe,
        inventory=inventory,
        daemon_restart=daemon_restart,
        destination=destination,
        migrate_uri=migrate_uri,
    ).target()
    ordered = Ordered(
        suite=suite,
        target=target,
        packages=packages_folder(packages),
        known=known_issues(known),
    )
    raise typer.Exit(_execute(console, runs / new_id("stress"), ordered, resumed=False))


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # told this way so that a plan's file and line can be added
        raise UsageError(str(error)) from None


def _go_on(console: Console, folder: Path) -> int:
    ordered = from_json(header_of_command(folder, "stress").plan_text, Ordered)
    return _execute(console, folder, ordered, resumed=True)


def _count(text: str) -> int:
    if text == "auto":
        return 0
    if not text.isdigit() or text == "0":
        raise UsageError(f'--guests "{text}" is no count', hint="a number from 1 on, or auto")
    return int(text)


def _choice(text: str) -> Literal["stop", "continue"]:
    match text:
        case "stop" | "continue":
            return text
        case _:
            raise UsageError(f'--on-daemon-death "{text}": say stop or continue')


def _execute(console: Console, folder: Path, ordered: Ordered, *, resumed: bool) -> int:
    stop, junit = threading.Event(), LiveJUnit(folder, at_ends=False)
    loops = ordered.suite.aim().loops
    with watching(console, {_step(ordered): loops} if loops else {}) as shown:
        run = Run(folder, watcher=Watchers(shown, junit), stop=stop)
        try:
            console.print(f"run {run.folder}", highlight=False)
            _begin(run, ordered, resumed=resumed)
            with stop_on_signals(stop):
                code = _loop(run, ordered)
        finally:
            run.close()
    results = load(folder)
    junit.write(results)
    code = code or max(exit_code(results), *_verdicts(folder))
    summary(console, results, exit_code=code)
    return code


def _begin(run: Run, ordered: Ordered, *, resumed: bool) -> None:
    if resumed:
        run.note("resumed")
        return
    text = to_json(ordered).decode()
    header = RunHeader(
        plan="stress", plan_digest=fingerprint(ordered), virtci=version("virtci"), plan_text=text
    )
    run.note("run", "stress", header)


def _step(ordered: Ordered) -> str:
    return f"suites/{ordered.target.host}/{ordered.suite.name}"


def _loop(run: Run, ordered: Ordered) -> int:
    try:
        with watched(run, ordered.target, ordered.suite.name):
            end = run.step(
                _step(ordered),
                SuiteEnd,
                ordered.suite.run,
                ordered.target,
                seconds=float(LIMIT_SECONDS),
            )
        packages = Path(ordered.packages) if ordered.packages else None
        explain_after(run, ordered.target, end, lasts=False, packages=packages, known=ordered.known)
    except Interrupted:
        run.note("interrupted")
        return EXIT_INTERRUPTED
    run.note("ended")
    return 0


def _verdicts(folder: Path) -> list[int]:
    """The exit codes of the last verdict of each ledger."""
    codes = [0]
    for ledger in folder.glob("suites/*/*/ledger.jsonl"):
        last = [event.name for event in read(ledger, but="op") if event.what == "verdict"][-1:]
        codes += [VERDICTS[name] for name in last]
    return codes
