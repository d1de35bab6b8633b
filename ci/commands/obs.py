"""``virtci obs``: why a build did not come out; watch builds and start runs on them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from ci.deadline import Deadline
from ci.errors import EXIT_INTERRUPTED, EXIT_OK, TimedOut
from ci.obs import project, why
from ci.obs.api import connect
from ci.obs.explain import as_error
from ci.obs.rules import load_watch
from ci.obs.target import parse_package, parse_place
from ci.obs.trigger import Starter
from ci.obs.watch import Watcher
from ci.obs.why_text import text_of
from ci.pipelines.interrupt import stop_on_signals

YEARS = 3.0e8
ASKER_SECONDS = 10.0  # somebody sits there: an instance that does not answer is soon said to

app = typer.Typer(no_args_is_help=True, help="Open Build Service: why a build fails; watch builds.")

ApiUrl = Annotated[
    str, typer.Option("--apiurl", "-A", help="The instance; osc's first one if empty.")
]
AllowHttp = Annotated[bool, typer.Option("--allow-http", help="Let the password travel in clear.")]


@app.command("why")
def why_command(
    package: Annotated[str, typer.Argument(metavar="PROJECT/PACKAGE")],
    place: Annotated[str, typer.Argument(metavar="[REPOSITORY/ARCH]")] = "",
    *,
    apiurl: ApiUrl = "",
    allow_http: AllowHttp = False,
    seconds: Annotated[float, typer.Option(help="How long the service may take.")] = 120.0,
) -> None:
    """Say why a package is not built: cause, advice, whether a retry helps, who is to blame.

    Exit code: 0 when all is built, 1 when the product is to blame, 3 when the lab is.
    """
    named = parse_package(package)
    where = parse_place(place) if place else None
    door = connect(apiurl, allow_http=allow_http, patience=ASKER_SECONDS)
    deadline = Deadline.after(seconds)
    code = EXIT_OK
    for number, state in enumerate(why.states(door, deadline, named, where)):
        answer = why.why(door, deadline, named, state)
        typer.echo(("\n" if number else "") + text_of(answer))
        if answer.explanation.blame != "nobody":
            code = max(code, as_error(answer.explanation, "").exit_code)
    raise typer.Exit(code)


@app.command("sweep")
def sweep_command(*, apiurl: ApiUrl = "", allow_http: AllowHttp = False) -> None:
    """Remove the projects that killed runs of this machine left behind."""
    door = connect(apiurl, allow_http=allow_http)
    gone = project.sweep(door, Deadline.after(300.0))
    for name in gone:
        typer.echo(f"removed {name}")
    if not gone:
        typer.echo("nothing is left over")


@app.command("watch")
def watch_command(
    file: Annotated[Path, typer.Argument(metavar="WATCH.toml", help="What to watch for.")],
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the first run.")] = False,
    since: Annotated[
        float, typer.Option(help="Builds of so many seconds before the first start count too.")
    ] = 0.0,
    seconds: Annotated[float, typer.Option(help="Give up after so long; 0: never.")] = 0.0,
) -> None:
    """Start a run, or a Jenkins job, on each build that the rules take: each exactly once.

    Exit code with --once: that of the run; 3 when no build came in time. Else 130 when stopped.
    """
    watch = load_watch(file)
    door = connect(watch.apiurl, allow_http=watch.allow_http)
    starter = Starter(Path(watch.state) / "logs")
    watcher = Watcher(watch, door, starter, _tell)
    stop = threading.Event()
    with stop_on_signals(stop):
        watcher.run(Deadline.after(seconds or YEARS, stop=stop), once=once, since=since)
    if stop.is_set():
        raise typer.Exit(EXIT_INTERRUPTED)
    if once and not watcher.started:
        raise TimedOut(f"no build came within {seconds:.0f} s that the rules of {file} take")
    raise typer.Exit(max(starter.ended.values(), default=EXIT_OK))


def _tell(text: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {text}")
