"""One stage of a Jenkins build as arguments of ``virtci run``: parameters come as environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ci.errors import UsageError
from ci.jenkins.plan import JenkinsPlan
from ci.shard import WHOLE, Shard

STAGES = ("source", "build", "deploy", "suites")
PATCH_NAME = "changes.patch"
REVISION_NAME = "source-revision"  # beside the packages: what they were built of


REPORT = "report"  # the last one: no run of its own, the others' put together
_COMMIT = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")


class Named(Protocol):
    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class PlanParts:
    """What of a plan a stage looks at."""

    jenkins: JenkinsPlan
    has_source: bool
    has_build: bool
    has_ref: bool  # the source takes a branch, tag or commit
    hosts: Sequence[Named]
    patches: tuple[str, ...] | None  # of the source; None: it takes none
    looping: frozenset[int]  # positions of suites that have ``loops``
    by_key: frozenset[int]  # positions of hosts that take a key


def nothing_to_do(stage: str, parts: PlanParts) -> bool:
    """A plan without a source, or a build, has none of that stage."""
    return (stage == "source" and not parts.has_source) or (
        stage == "build" and not parts.has_build
    )


@dataclass(frozen=True)
class Order:
    """One ``virtci run``."""

    plan: str
    stage: str
    name: str
    runs: Path
    shard: Shard
    changes: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        share = ("--shard", str(self.shard)) if self.shard != WHOLE else ()
        changes = tuple(word for change in self.changes for word in ("--set", change))
        return (
            *("run", self.plan, "--until", self.stage, "--name", self.name),
            *("--runs", str(self.runs), *share, *changes, *self.extra),
        )

    def __str__(self) -> str:
        return shlex.join(("virtci", *self.arguments))


def run_name(stage: str, shard: Shard) -> str:
    """The run's name within its build's folder; what builds and what tests are two runs."""
    if stage in ("source", "build"):
        return "built"
    return "run" if shard == WHOLE else f"run-{shard.index}-of-{shard.count}"


def key_link(runs: Path, shard: Shard) -> Path:
    """Where the lent key is found: shares that run side by side each have their own."""
    return runs / f"{run_name('suites', shard)}.key"


def runs_folder(environment: Mapping[str, str]) -> Path:
    """``runs/<build tag>``: runs of different builds never meet.

    The tag stays as the controller makes it, blanks and all: a Jenkinsfile names the same folder.
    """
    tag = re.sub(r"[/\x00-\x1f]", "-", environment.get("BUILD_TAG", "")).lstrip(".") or "by-hand"
    return Path("runs", tag)


def order(
    stage: str,
    parts: PlanParts,
    environment: Mapping[str, str],
    *,
    shard: Shard = WHOLE,
    packages: Path | None = None,
    revision: str = "",
) -> Order:
    """The run of one stage; ``revision`` is what the packages were built of.

    Raises UsageError for a stage or parameter that is wrong."""
    if stage not in STAGES:
        raise UsageError(f'"{stage}" is no stage; known: {", ".join(STAGES)}')
    plan = environment.get("PLAN", "")
    if not plan:
        raise UsageError("the parameter PLAN is empty", hint="PLAN=plans/demo.toml virtci ...")
    runs = runs_folder(environment)
    if parts.has_ref and _COMMIT.match(revision):
        # A branch may have moved since the build; what is tested is what was built.
        environment = {**environment, "SOURCE_REF": revision}
    changes = [*_selected(parts, environment), *_set(parts, environment)]
    if stage in ("deploy", "suites"):
        if packages is not None and parts.has_build:
            changes.append(f'build={{kind="prebuilt", rpms=["{packages.absolute()}"]}}')
        if environment.get("SSH_KEY"):
            changes += _keys(parts, key_link(runs, shard))
    extra = _words(environment.get("EXTRA", ""))
    return Order(plan, stage, run_name(stage, shard), runs, shard, tuple(changes), extra)


def _keys(parts: PlanParts, link: Path) -> Iterable[str]:
    """The controller puts the key under another name each time; a run's plan may not change."""
    return [f'hosts[{position}].key="{link.absolute()}"' for position in sorted(parts.by_key)]


def _words(extra: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(extra))
    except ValueError as error:
        raise UsageError(f"the parameter EXTRA: {error}") from None


def _selected(parts: PlanParts, environment: Mapping[str, str]) -> Iterable[str]:
    """HOSTS chooses; else the locked resource, when a host of the plan has its name."""
    wanted = [name.strip() for name in environment.get("HOSTS", "").split(",") if name.strip()]
    locked = environment.get("HOST", "")
    if not wanted and locked in [host.name for host in parts.hosts]:
        wanted = [locked]
    # one host needs no choice; a name that it does not have must not be tested on it all the same
    if wanted and (len(parts.hosts) > 1 or wanted != [host.name for host in parts.hosts]):
        names = ", ".join(f'"{name}"' for name in wanted)
        yield f"hosts=[{names}]"


def _set(parts: PlanParts, environment: Mapping[str, str]) -> Iterable[str]:
    if reference := environment.get("SOURCE_REF", ""):
        yield f"source.ref={_text(reference)}"
    if environment.get("CHANGES"):
        yield from _patched(parts, environment)
    if loops := environment.get("LOOPS", ""):
        if not loops.isdigit() or int(loops) < 1:
            raise UsageError(f'the parameter LOOPS is a number from 1, not "{loops}"')
        yield from (f"suites[{position}].loops={loops}" for position in sorted(parts.looping))
    for parameter in parts.jenkins.parameters:
        if parameter.sets and (value := environment.get(parameter.name, "")):
            yield f"{parameter.sets}={value}"


def _patched(parts: PlanParts, environment: Mapping[str, str]) -> Iterable[str]:
    """The patch is applied after the plan's own; the caller has written it there."""
    if parts.patches is None:
        raise UsageError("the parameter CHANGES: the plan's source takes no patches")
    own = (*parts.patches, str((runs_folder(environment) / PATCH_NAME).absolute()))
    yield f"source.patches=[{', '.join(_text(path) for path in own)}]"


def _text(value: str) -> str:
    """A TOML string, so that a branch named 9.0 stays one."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
