"""``virtci bisect``: which build brought a failure that shows only now and then."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from ci.codec import fingerprint, to_json
from ci.crash.bisect.builds import in_folder, in_git, in_list
from ci.crash.bisect.posterior import Prior, prior_for_rate
from ci.crash.bisect.search import Aims, Answer
from ci.crash.bisect.session import Session, Subject
from ci.deadline import Deadline
from ci.errors import EXIT_OK, InfraError, UsageError
from ci.pipelines.interrupt import stop_on_signals
from ci.places import cache_folder
from ci.shell import LocalShell

SHOWN = 8
BAR = 30
BUILD = "{}"

app = typer.Typer()


@app.command(context_settings={"allow_interspersed_args": False})
def bisect(
    command: Annotated[
        list[str],
        typer.Argument(help="What runs one build; {} stands for it (also in $VIRTCI_BUILD)."),
    ],
    *,
    folder: Annotated[
        Path | None, typer.Option(help="Builds: the subfolders of packages in here.")
    ] = None,
    builds: Annotated[
        Path | None, typer.Option("--list", help="Builds: a file, one a line.")
    ] = None,
    git: Annotated[Path | None, typer.Option(help="Builds: commits of this repository.")] = None,
    commits: Annotated[str, typer.Option("--range", help="With --git: GOOD..BAD.")] = "",
    signature: Annotated[
        str, typer.Option(help="A failing run counts only if it prints this.")
    ] = "",
    rate: Annotated[
        float, typer.Option(help="The failure rate of bad builds if it was measured, e.g. 0.05.")
    ] = 0.0,
    confidence: Annotated[float, typer.Option(help="When to stop.")] = 0.95,
    runs: Annotated[int, typer.Option(help="Stop after so many runs.")] = 1000,
    visit: Annotated[int, typer.Option(help="Most runs of a build before another one.")] = 10,
    seconds: Annotated[float, typer.Option(help="Limit of one run.")] = 3600.0,
    journal: Annotated[Path | None, typer.Option(help="Folder to remember the runs in.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Find the first bad build of a failure that shows in some runs only.

    COMMAND ends with 0 for good, 1 for bad, 125 for a build that cannot be run, 3 when the lab
    broke. Stop it anywhere; the same command goes on. Exit codes: 0 sure, 3 not sure enough.
    """
    shell = LocalShell()
    subject = Subject(
        builds=_builds(folder, builds, git, commits),
        command=tuple(command),
        signature=signature,
        aims=Aims(
            confidence=_share("--confidence", confidence),
            most_runs=runs,
            runs_a_visit=max(1, visit),
            prior=prior_for_rate(_share("--rate", rate)) if rate else Prior(),
        ),
    )
    if not any(BUILD in word for word in command):
        typer.echo(f"virtci: no {BUILD} in the command; it has to read $VIRTCI_BUILD", err=True)
    where = journal or cache_folder("bisect", fingerprint(subject.builds, subject.command))
    answer = _search(where, subject, shell, seconds)
    typer.echo(to_json(answer).decode() if json else _page(answer, subject))
    raise typer.Exit(EXIT_OK if answer.sure else InfraError.exit_code)


def _builds(
    folder: Path | None, file: Path | None, git: Path | None, commits: str
) -> tuple[str, ...]:
    if sum(one is not None for one in (folder, file, git)) != 1:
        raise UsageError("say where the builds are with one of --folder, --list and --git")
    if folder is not None:
        return in_folder(folder)
    if file is not None:
        return in_list(file)
    assert git is not None
    return in_git(git, commits, LocalShell(), Deadline.after(120))


def _share(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise UsageError(f"{name} {value} is not between 0 and 1")
    return value


def _search(where: Path, subject: Subject, shell: LocalShell, seconds: float) -> Answer:
    stop = threading.Event()
    deadline = Deadline.after(float(10**9), stop=stop)  # each run has its own; this one can stop
    session = Session(where, subject, shell, run_seconds=seconds)
    typer.echo(f"{len(subject.builds)} builds; runs are remembered in {where}", err=True)
    try:
        with stop_on_signals(stop):
            return session.go(deadline, lambda text: typer.echo(text, err=True))
    finally:
        session.close()


def _page(answer: Answer, subject: Subject) -> str:
    """The answer for people: the verdict, then the chances of the likeliest builds."""
    names = (*subject.builds, "none of them (the newest is good)")
    found = " or ".join(names[b] for b in answer.first_bad)
    head = f"first bad build: {found}, {answer.chance:.1%} sure after {answer.runs} runs"
    if not answer.sure:
        head = f"not sure after {answer.runs} runs: likeliest is {found}, {answer.chance:.1%}"
    lines = [head, f"bad builds fail in about {answer.rate:.1%} of their runs"]
    likeliest = sorted(range(len(names)), key=lambda b: -answer.weights[b])[:SHOWN]
    for b in sorted(likeliest):
        weight = answer.weights[b]
        lines.append(f"  {weight:6.1%} {'#' * round(weight * BAR):<{BAR}} {names[b]}")
    return "\n".join(lines)
