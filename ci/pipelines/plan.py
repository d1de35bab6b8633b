"""A plan: the whole input of a run, one TOML file, decoded once and strictly."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from ci.codec import decode, fingerprint, parse_toml, read_text
from ci.crash.known import read_known
from ci.deploy.install import DeployPlan
from ci.deploy.localhost import LocalHost
from ci.errors import UsageError
from ci.jenkins.plan import JenkinsPlan
from ci.launch import Suite
from ci.launch.stress import StressSuite
from ci.model import Record
from ci.nested.boot import NestedHost
from ci.nested.wire import check_numbers
from ci.pipelines.kinds import BuilderKind, HostKind, SourceKind

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_NAME = re.compile(NAME)


class ReportPlan(Record, frozen=True, kw_only=True):
    """``[report]``: ``title`` heads the reports; ``evidence`` gathers logs after each failure.

    When the run has ended it goes into the ``history`` (without a word of it: where VIRTCI_HISTORY
    names one), the policy file ``gate`` judges it, and the recipients of the file ``notify`` are
    told. Files are relative to the plan.
    """

    title: str = ""
    evidence: bool = True
    history: bool | None = None
    notify: str = ""
    gate: str = ""


class CrashPlan(Record, frozen=True, kw_only=True):
    """``[crashes]``: ``known`` is a file of known issues: tickets, owners, waivers.

    A relative path is one from the plan's folder on.
    """

    known: str = ""

    def located(self, base: Path) -> CrashPlan:
        """With an absolute path. Raises UsageError when the file is not right."""
        if not self.known:
            return self
        path = base / Path(self.known).expanduser()
        read_known(path)
        return CrashPlan(known=str(path))


class Limits(Record, frozen=True, kw_only=True):
    """``[limits]``: seconds that each stage may take; a suite has its own."""

    source: Annotated[int, Meta(ge=1)] = 1800
    build: Annotated[int, Meta(ge=1)] = 7200
    hosts: Annotated[int, Meta(ge=1)] = 900
    deploy: Annotated[int, Meta(ge=1)] = 900


class LanesPlan(Record, frozen=True, kw_only=True):
    """``[lanes]``: what is done when a host is lost in the middle of its work.

    With ``recover`` a machine of a pool is brought back first. ``moves`` is how often the remaining
    work of one lane may go on on another host; the loss stays a failure of the lab.
    """

    moves: Annotated[int, Meta(ge=0, le=100)] = 0
    recover: bool = True


class Plan(Record, frozen=True, kw_only=True):
    """Where the code comes from, how it is built, where it runs, what is run on it."""

    source: SourceKind | None = None
    build: BuilderKind | None = None
    hosts: tuple[HostKind, ...]
    deploy: DeployPlan = DeployPlan()
    lanes: LanesPlan = LanesPlan()
    suites: tuple[Suite, ...] = ()
    report: ReportPlan = ReportPlan()
    crashes: CrashPlan = CrashPlan()
    limits: Limits = Limits()
    jenkins: JenkinsPlan | None = None


class LoadedPlan(Record, frozen=True, kw_only=True):
    """A plan with where it came from and the changes made on the command line."""

    path: str
    text: str
    changes: tuple[str, ...]
    plan: Plan

    @property
    def digest(self) -> str:
        return fingerprint(self.plan)


def load_plan(path: Path, changes: tuple[str, ...] = ()) -> LoadedPlan:
    """Read a plan; apply ``a.b=value`` changes; make its paths absolute.

    Raises UsageError that names file, line, key and the nearest spelling; nothing is touched.
    """
    text = read_text(path)
    return reload_plan(str(path.absolute()), text, changes)


def reload_plan(name: str, text: str, changes: tuple[str, ...]) -> LoadedPlan:
    """The same from the text as a run's journal keeps it, wherever the file has gone since."""
    path = Path(name)
    data = parse_toml(text, path)
    for change in changes:
        _apply(data, change)
    plan = decode(data, Plan, source=str(path), text=text)
    _check(plan, path)
    return LoadedPlan(path=str(path), text=text, changes=changes, plan=_located(plan, path))


def _located(plan: Plan, path: Path) -> Plan:
    base = path.absolute().parent
    return Plan(
        source=plan.source and plan.source.located(base),
        build=plan.build and plan.build.located(base),
        hosts=tuple(host.located(base) for host in plan.hosts),
        deploy=plan.deploy,
        lanes=plan.lanes,
        suites=tuple(_located_suite(suite, base) for suite in plan.suites),
        report=plan.report,
        crashes=plan.crashes.located(base),
        limits=plan.limits,
        jenkins=plan.jenkins,
    )


def _located_suite(suite: Suite, base: Path) -> Suite:
    return suite.located(base) if isinstance(suite, StressSuite) else suite


def _check(plan: Plan, path: Path) -> None:
    if not plan.hosts:
        raise UsageError(f"{path}: hosts: a plan needs at least one [[hosts]]")
    _check_names([host.name for host in plan.hosts], f"{path}: hosts")
    check_numbers((h.wire for h in plan.hosts if isinstance(h, NestedHost)), str(path))
    suites = [suite.name for suite in plan.suites]
    if "console" in suites:
        raise UsageError(
            f'{path}: suites: the name "console" is that of what the serial console tells',
            hint="give the suite another name",
        )
    _check_names(suites, f"{path}: suites")
    _check_build(plan, path)


def _check_names(names: list[str], where: str) -> None:
    for name in names:
        if not _NAME.match(name):
            raise UsageError(
                f'{where}: the name "{name}" is not usable as a folder name',
                hint="letters, digits, dot, dash and underscore, at most 64",
            )
        if names.count(name) > 1:
            raise UsageError(f'{where}: two are named "{name}"', hint='give each its own "name"')


def _check_build(plan: Plan, path: Path) -> None:
    needs_tree = plan.build is not None and plan.build.needs_tree
    if needs_tree and plan.source is None:
        raise UsageError(f"{path}: build: this kind needs a [source]")
    local = [host.name for host in plan.hosts if isinstance(host, LocalHost)]
    if plan.build is not None and local:
        raise UsageError(
            f'{path}: hosts: "{local[0]}" is of kind local, on which nothing is installed,'
            " but there is a [build]",
            hint="take the [build] out, or use kind nested or ssh",
        )


def _apply(data: dict[str, Any], change: str) -> None:
    name, equals, value = change.partition("=")
    if not equals or not name.strip():
        raise UsageError(f'--set "{change}": expected path=value, such as source.ref=v9.0.0')
    *parents, last = _steps(name.strip())
    here: Any = data
    for part in parents:
        here = _into(here, part, change)
    if isinstance(here, dict) and (chosen := _chosen(here.get(str(last)), value, change)):
        here[last] = chosen
        return
    in_list = isinstance(here, list) and isinstance(last, int) and last < len(here)
    in_table = isinstance(here, dict) and isinstance(last, str)
    if not (in_list or in_table):
        raise UsageError(f'--set "{change}": the plan has no such place')
    here[last] = _value(value)


def _chosen(tables: Any, value: str, change: str) -> list[Any]:
    """``hosts=["a", "b"]`` keeps those of a list of tables; empty when it is no such change."""
    names = _value(value)
    if not (isinstance(tables, list) and isinstance(names, list)):
        return []
    if not all(isinstance(name, str) for name in names):
        return []
    kept = [table for table in tables if isinstance(table, dict) and _named(table) in names]
    missing = set(names) - {_named(table) for table in kept}
    if missing:
        known = ", ".join(_named(table) for table in tables)
        raise UsageError(f'--set "{change}": there is no {sorted(missing)[0]}; known: {known}')
    return kept


def _named(table: dict[str, Any]) -> str:
    return str(table.get("name") or table.get("kind") or "")


def _into(here: Any, part: str | int, change: str) -> Any:
    if isinstance(here, dict) and isinstance(part, str):
        return here.setdefault(part, {})
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return here[part]
    raise UsageError(f'--set "{change}": the plan has no "{part}" there')


def _steps(name: str) -> list[str | int]:
    """``hosts[0].name`` and ``hosts.0.name`` are the same place."""
    parts = name.replace("[", ".").replace("]", "").split(".")
    return [int(part) if part.isdigit() else part for part in parts]


def _value(text: str) -> Any:
    """A TOML value where it is one; anything else is a string."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
