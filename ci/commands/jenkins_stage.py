"""``virtci jenkins stage``: what a Jenkinsfile calls; parameters come as environment variables."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ci.commands.report_merge import merged
from ci.errors import UsageError
from ci.jenkins.changes import unpacked
from ci.jenkins.plan import JenkinsPlan
from ci.jenkins.stage import (
    PATCH_NAME,
    REPORT,
    REVISION_NAME,
    STAGES,
    Order,
    PlanParts,
    key_link,
    nothing_to_do,
    order,
    runs_folder,
)
from ci.model import Outcome
from ci.pipelines.plan import load_plan
from ci.report.loading import load
from ci.report.results import RunResults, exit_code
from ci.shard import parse_shard
from ci.sources.export import plain_revision

MERGED = Path("merged")


def stage(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join((*STAGES, REPORT))}.")],
    *,
    shard: Annotated[str, typer.Option(help="A share of the suites: i/n.")] = "1/1",
    packages: Annotated[
        Path | None, typer.Option(help="Folder that built packages are passed on in.")
    ] = None,
    into: Annotated[Path, typer.Option(help="Of report: folder of the merged run.")] = MERGED,
) -> None:
    """Run one stage of a build: the parameters PLAN, SOURCE_REF, HOSTS, LOOPS, CHANGES, EXTRA
    from the environment become arguments of virtci run, which is printed and can be called by hand.

    Exit code: as virtci run, but 0 when all that failed are tests: those the JUnit tells.
    """
    if name == REPORT:
        results = merged([runs_folder(os.environ)], into)
        raise typer.Exit(_code(exit_code(results), results))
    parts = _parts()
    if nothing_to_do(name, parts):
        if packages is not None:
            packages.mkdir(parents=True, exist_ok=True)
        typer.echo(f"{os.environ['PLAN']} has no [{name}]: nothing to do")
        return
    wanted = order(
        name,
        parts,
        os.environ,
        shard=parse_shard(shard),
        packages=_there(packages, name),
        revision=_revision(packages) if name in ("deploy", "suites") else "",
    )
    if name == "suites" and (why := _deploy_failed(wanted.runs / wanted.name)):
        raise UsageError(f"the deploy before failed, so nothing is tested: {why}")
    raise typer.Exit(_carry_out(wanted, packages if name == "build" else None))


def _carry_out(wanted: Order, passed_on: Path | None) -> int:
    """Do it, and pass on what was built; the exit code."""
    if os.environ.get("CHANGES"):
        wanted.runs.mkdir(parents=True, exist_ok=True)
        (wanted.runs / PATCH_NAME).write_bytes(unpacked(os.environ["CHANGES"]))
    typer.echo(f"+ {wanted}")
    with _key(key_link(wanted.runs, wanted.shard)):
        code = _run(wanted)
    results = load(wanted.runs / wanted.name)
    if passed_on is not None and code == 0:
        _pass_on(results, passed_on)
    return _code(code, results)


def _parts() -> PlanParts:
    path = os.environ.get("PLAN", "")
    if not path:
        raise UsageError("the parameter PLAN is empty", hint="PLAN=plans/demo.toml virtci ...")
    plan = load_plan(Path(path)).plan
    return PlanParts(
        jenkins=plan.jenkins or JenkinsPlan(),
        has_source=plan.source is not None,
        has_build=plan.build is not None,
        has_ref=hasattr(plan.source, "ref"),
        hosts=plan.hosts,
        patches=getattr(plan.source, "patches", None),
        looping=frozenset(n for n, suite in enumerate(plan.suites) if hasattr(suite, "loops")),
        by_key=frozenset(n for n, host in enumerate(plan.hosts) if hasattr(host, "known_hosts")),
    )


def _there(packages: Path | None, name: str) -> Path | None:
    """A plan without a build passes no packages on."""
    if packages is not None and name in ("deploy", "suites") and not any(packages.glob("*.rpm")):
        return None
    return packages


def _revision(packages: Path | None) -> str:
    """What the packages were built of, as the build stage noted it."""
    note = packages / REVISION_NAME if packages is not None else None
    return note.read_text(encoding="utf-8").strip() if note and note.is_file() else ""


def _run(wanted: Order) -> int:
    from ci.commands.run import app  # noqa: PLC0415 - the whole pipeline, only here

    try:
        app(args=list(wanted.arguments[1:]), prog_name="virtci run", standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


@contextmanager
def _key(link: Path) -> Iterator[None]:
    """The key that the controller lends, under a name that does not change; gone afterwards."""
    lent = os.environ.get("SSH_KEY", "")
    if not lent:
        yield
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path(lent).absolute())
    try:
        yield
    finally:
        link.unlink(missing_ok=True)


def _deploy_failed(folder: Path) -> str:
    if not (folder / "journal.jsonl").is_file():
        return ""
    failed = [step for step in load(folder).failed_steps if not step.name.startswith("suites/")]
    return failed[0].message if failed else ""


def _pass_on(results: RunResults, packages: Path) -> None:
    """The built packages, alone in their folder."""
    shutil.rmtree(packages, ignore_errors=True)
    packages.mkdir(parents=True)
    for rpm in results.build.rpms if results.build else ():
        shutil.copy2(rpm.path, packages)
    if results.tree is not None:
        revision = plain_revision(results.tree.revision)  # patches are sent along themselves
        (packages / REVISION_NAME).write_text(f"{revision}\n", encoding="utf-8")


def _code(code: int, results: RunResults) -> int:
    """Failed tests make a build UNSTABLE through its JUnit; everything else must fail it."""
    failed = any(Outcome.FAILED in suite.counts for suite in results.suites)
    return 0 if code == 1 and failed and not results.failed_steps else code
