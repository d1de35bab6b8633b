"""What is watched for and what it starts: the watch file, as records."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from ci.codec import decode, parse_toml, read_text
from ci.errors import UsageError
from ci.model import Record
from ci.obs.notices import Notice

Glob = Annotated[str, Meta(min_length=1)]
_FIELD = re.compile(r"\{(\w*)\}")
FIELDS = frozenset(
    {"project", "package", "repository", "arch", "rev", "srcmd5", "versrel", "bcnt", "kind", "id"}
)


class RunPlan(Record, frozen=True, kw_only=True, tag_field="kind", tag="plan"):
    """Run a plan on this machine. ``changes`` are as for ``virtci run --set``, with fields."""

    plan: str
    changes: tuple[str, ...] = ()
    runs: str = "runs"


class JenkinsJob(Record, frozen=True, kw_only=True, tag_field="kind", tag="jenkins"):
    """Trigger a job of the controller that JENKINS_URL names. ``mark`` is the name of the parameter
    that holds the build's id: by it a trigger whose answer was lost is found again."""

    job: str
    parameters: dict[str, str] = {}
    mark: str = "REQUEST"


class Rule(Record, frozen=True, kw_only=True):
    """``[[rules]]``: which builds, by globs, and what each of them starts.

    ``kinds`` are ends of the bus's routing keys. ``published`` waits until the repository is.
    """

    project: Glob
    package: Glob = "*"
    repository: Glob = "*"
    arch: Glob = "*"
    kinds: tuple[str, ...] = ("package.build_success",)
    published: bool = False
    start: RunPlan | JenkinsJob

    def __post_init__(self) -> None:
        texts = _texts(self.start)
        unknown = {n for text in texts for n in _FIELD.findall(text)} - FIELDS
        if unknown:
            raise ValueError(
                f"no such field: {', '.join(sorted(unknown))}; known: {', '.join(sorted(FIELDS))}"
            )

    def takes(self, notice: Notice) -> bool:
        return (
            any(fnmatchcase(notice.kind, kind) for kind in self.kinds)
            and fnmatchcase(notice.project, self.project)
            and fnmatchcase(notice.package, self.package)
            and fnmatchcase(notice.repository, self.repository)
            and fnmatchcase(notice.arch, self.arch)
        )

    def may_take(self, repository: str, arch: str) -> bool:
        """Whether any build in that place could be taken."""
        return fnmatchcase(repository, self.repository) and fnmatchcase(arch, self.arch)


def _texts(start: RunPlan | JenkinsJob) -> tuple[str, ...]:
    match start:
        case RunPlan():
            return start.changes
        case JenkinsJob():
            return tuple(start.parameters.values())


class Bus(Record, frozen=True, kw_only=True):
    """``[bus]``: ``url`` without a password; ``password_env`` names the variable that has it.

    ``prefix`` is what routing keys begin with; ``exchange`` is declared by the other side.
    """

    url: Annotated[str, Meta(pattern=r"^amqps?://")]
    password_env: str = ""
    exchange: str = "pubsub"
    prefix: str = "opensuse.obs"

    def __post_init__(self) -> None:
        if re.match(r"^amqps?://[^/@]*:[^/@]*@", self.url):
            raise ValueError("a password in the url would be kept; use password_env")


class Watch(Record, frozen=True, kw_only=True):
    """A watch file. ``state`` is a folder; ``every`` is seconds between looks at the results when
    no bus tells, and the longest time that an event may be missed when one does."""

    apiurl: str = ""
    allow_http: bool = False
    state: str
    every: Annotated[float, Meta(ge=0.1)] = 60.0
    together: Annotated[int, Meta(ge=1)] = 1
    bus: Bus | None = None
    rules: Annotated[tuple[Rule, ...], Meta(min_length=1)]

    def located(self, base: Path) -> Self:
        rules = tuple(
            msgspec.structs.replace(rule, start=_located(rule.start, base)) for rule in self.rules
        )
        state = str(base / Path(self.state).expanduser())
        return msgspec.structs.replace(self, state=state, rules=rules)


def _located(start: RunPlan | JenkinsJob, base: Path) -> RunPlan | JenkinsJob:
    match start:
        case RunPlan():
            plan, runs = str(base / start.plan), str(base / start.runs)
            return msgspec.structs.replace(start, plan=plan, runs=runs)
        case JenkinsJob():
            return start


def load_watch(path: Path) -> Watch:
    """Read a watch file. Raises UsageError with file, line and key."""
    text = read_text(path)
    watch = decode(parse_toml(text, path), Watch, source=str(path), text=text)
    for rule in watch.rules:
        if isinstance(rule.start, RunPlan) and not (path.parent / rule.start.plan).is_file():
            raise UsageError(f"{path}: rules: there is no plan {path.parent / rule.start.plan}")
    return watch.located(path.absolute().parent)


def claim_id(rule: Rule, notice: Notice) -> str:
    """What names one build for one rule, fit for a file, a run and a parameter."""
    key = hashlib.sha256(f"{notice.identity}|{msgspec.json.encode(rule.start)!r}".encode())
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{notice.package}-{notice.versrel}.{notice.bcnt}")
    return f"obs-{plain[:40].strip('-')}-{key.hexdigest()[:10]}"


def filled(text: str, notice: Notice, claim: str) -> str:
    """``text`` with its fields replaced."""
    values = {name: str(getattr(notice, name)) for name in FIELDS - {"id"}} | {"id": claim}
    return _FIELD.sub(lambda found: values[found[1]], text)
