"""``[jenkins]``: how a plan becomes a job."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from ci.jenkins import cron
from ci.model import Record

Positive = Annotated[int, Meta(ge=1, le=100_000)]
_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9._ -]{0,98}[A-Za-z0-9_-])?$")
_WORD = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._&|!() -]{0,199}$")
_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
_CREDENTIAL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
_ADDRESS = re.compile(r"^(?:https?://|ssh://|git@|file:///|/)[^\s'\"\\]+$")
_BRANCH = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
BUILT_IN = ("PLAN", "SOURCE_REF", "HOSTS", "LOOPS", "EXTRA", "CHANGES", "REQUEST")


class JenkinsParameter(Record, frozen=True, kw_only=True):
    """``[[jenkins.parameters]]``: one more parameter of the job.

    ``sets`` is the place in the plan that its value goes to, as for ``--set``; the empty value
    leaves the plan alone. ``choices``: the first is the default.
    """

    name: str
    default: str = ""
    choices: tuple[str, ...] = ()
    description: str = ""
    sets: str = ""

    def __post_init__(self) -> None:
        _need(_IDENTIFIER.match(self.name), f'"{self.name}" is no name of a parameter')
        _need(self.name not in BUILT_IN, f"{self.name} is there already")
        _need(not (self.choices and self.default), f"{self.name}: the first choice is the default")
        for text in (self.default, self.description, self.sets, *self.choices):
            _need(not _CONTROL.search(text), f"{self.name}: a control character")


class JenkinsPlan(Record, frozen=True, kw_only=True):
    """``[jenkins]``: the job of a plan.

    ``job`` defaults to the plan file's name; ``folder`` may be nested (``lab/nightly``). ``label``
    names the agents that build, ``host_labels`` those that test: one lane each. ``lock`` is a label
    of lockable resources (empty: none); ``resources`` are made with it where they are missing.
    ``cron`` and ``poll`` are schedules. ``repository`` and
    ``branch`` are where agents check virtci and the plans out (``repository_credentials``: an id);
    without one ``virtci`` and the plan must be on the agents. ``key`` is the id of an SSH key for
    the hosts. ``shards`` divides the suites over lanes, each with an agent and a host of its own;
    ``side_by_side`` divides a lane's over parallel stages on its host. ``keep_*`` is retention;
    ``hours`` limits a whole build.
    """

    job: str = ""
    folder: str = "virtci"
    view: str = ""
    label: str = "virt-build"
    host_labels: tuple[str, ...] = ("virt-host",)
    lock: str = "virt-hosts"
    resources: tuple[str, ...] = ()
    cron: str = ""
    poll: str = ""
    repository: str = ""
    branch: str = "main"
    repository_credentials: str = ""
    key: str = ""
    shards: Annotated[int, Meta(ge=1, le=1000)] = 1
    side_by_side: Annotated[int, Meta(ge=1, le=16)] = 1
    keep_builds: Positive = 50
    keep_artifacts: Positive = 10
    hours: Annotated[int, Meta(ge=1, le=240)] = 6
    parameters: tuple[JenkinsParameter, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.job, self.view, *self.folder.split("/")):
            _need(not name or _NAME.match(name), f'"{name}" is no name that Jenkins takes')
        _need(self.folder and "//" not in self.folder, "folder: jobs lie in a folder of their own")
        _need(self.host_labels, "host_labels: one at least")
        for label in (self.label, *self.host_labels):
            _need(_WORD.match(label), f'"{label}" is no label of agents')
        _need(not self.lock or _NAME.match(self.lock), f'lock: "{self.lock}" is no label')
        for what in ("cron", "poll"):
            _need(not (found := cron.problem(getattr(self, what))), f"{what}: {found}")
        self._check_resources()
        self._check_checkout()
        names = [parameter.name for parameter in self.parameters]
        _need(len(set(names)) == len(names), "parameters: two have the same name")

    def _check_resources(self) -> None:
        for name in self.resources:
            _need(_NAME.match(name), f'resources: "{name}" is no name of a resource')
        plain = self.lock and " " not in self.lock
        _need(plain or not self.resources, "resources: they need a lock, a label without blanks")

    def _check_checkout(self) -> None:
        _need(
            not self.repository or _ADDRESS.match(self.repository),
            "repository: a git URL without quotes and spaces",
        )
        _need(not re.search(r"//[^/@]*:[^/@]*@", self.repository), "repository: holds a password")
        _need(_BRANCH.match(self.branch), f'branch: "{self.branch}" is none')
        for what in ("key", "repository_credentials"):
            value = getattr(self, what)
            _need(not value or _CREDENTIAL.match(value), f'{what}: "{value}" is no credential id')


def _need(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)
