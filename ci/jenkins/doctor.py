"""What a controller has and lacks for virtci, looked at without changing anything."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ci.deadline import Deadline
from ci.jenkins.api import Refused, job_path
from ci.jenkins.controller import Absent, Controller
from ci.jenkins.lint import Known

T = TypeVar("T")
TESTED = "2.516.2"
OLDEST = "2.440"
FORBIDDEN = 403
PLUGINS: dict[str, str] = {
    "workflow-job": "pipeline jobs",
    "workflow-cps": "pipeline jobs",
    "workflow-durable-task-step": "sh, and agents in pipelines",
    "pipeline-stage-step": "stages",
    "workflow-basic-steps": "retry when an agent is lost",
    "pipeline-model-definition": "Declarative Pipelines and their validator",
    "timestamper": "times in the console",
    "lockable-resources": "one build at a time on a host",
    "junit": "test results",
    "cloudbees-folder": "folders",
    "credentials-binding": "keys for hosts",
    "ssh-credentials": "keys for hosts",
}
USEFUL = {"pipeline-rest-api": "stages while a build runs", "git": "jobs with a repository"}
OLDEST_PLUGIN = {"workflow-basic-steps": 994}  # retry(conditions:) is there from then on


class State(enum.StrEnum):
    GOOD = "good"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True)
class Check:
    what: str
    state: State
    text: str
    cure: str = ""


def checks(controller: Controller, wanted: Wanted, deadline: Deadline) -> Iterator[Check]:
    """Everything, most fundamental first. Raises what keeps the controller from answering."""
    yield _version(controller.version(deadline))
    user = controller.whoami(deadline)
    clear = controller.door.login.in_the_clear
    text = f"{user} at {controller.url}" + ("; the token travels unencrypted" if clear else "")
    cure = "give the controller a certificate and use https" if clear else ""
    yield Check("login", State.LIMITED if clear else State.GOOD, text, cure)
    yield _csrf(controller, deadline)
    yield from _plugins(controller, deadline)
    for name in ("", *wanted.folders):
        yield _may_create(controller, name, deadline)
    yield from _agents(controller, wanted, deadline)
    yield from _locks(controller, wanted, deadline)
    yield from _credentials(controller, wanted, deadline)


@dataclass(frozen=True)
class Wanted:
    """What the plans ask of a controller."""

    folders: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()


def known(controller: Controller, deadline: Deadline) -> Known:
    """What a Jenkinsfile may name; what may not be seen is not checked."""
    nodes = _allowed(lambda: controller.nodes(deadline))
    plugins = _allowed(lambda: controller.plugins(deadline))
    locks = _allowed(lambda: controller.resources(deadline))
    credentials = _allowed(lambda: controller.credentials(deadline))
    return Known(
        labels=None if nodes is None else frozenset().union(*(node.labels for node in nodes)),
        plugins=None if plugins is None else frozenset(p.short_name for p in plugins if p.active),
        lock_labels=None
        if locks is None
        else frozenset(label for lock in locks for label in lock.labels_as_list),
        credentials=None if credentials is None else frozenset(one.id for one in credentials),
    )


def missing_plugins(controller: Controller, deadline: Deadline) -> list[str]:
    """What must be there before a job is written, as sentences."""
    return [
        f"{check.what}: {check.text}"
        for check in _plugins(controller, deadline)
        if check.state is State.MISSING
    ]


def _version(version: str) -> Check:
    if not version:
        return Check("Jenkins", State.LIMITED, "a proxy hides its version")
    if _numbers(version) < _numbers(OLDEST):
        text = f"{version} is older than {OLDEST}"
        return Check("Jenkins", State.MISSING, text, "update the controller")
    return Check("Jenkins", State.GOOD, f"{version} (virtci was tried on {TESTED})")


def _csrf(controller: Controller, deadline: Deadline) -> Check:
    if controller.door.ask("GET", "crumbIssuer/api/json", deadline) is None:
        text = "protection against forged requests is off"
        return Check("CSRF", State.LIMITED, text, "Manage Jenkins, Security, Crumb Issuer")
    return Check("CSRF", State.GOOD, "protection is on")


def _plugins(controller: Controller, deadline: Deadline) -> Iterator[Check]:
    found = _allowed(lambda: controller.plugins(deadline))
    if found is None:
        text = "the list of plugins may not be seen"
        yield Check("plugins", State.LIMITED, text, "the permission Overall/SystemRead shows it")
        return
    there = {plugin.short_name: plugin for plugin in found if plugin.active and plugin.enabled}
    for name, purpose in {**PLUGINS, **USEFUL}.items():
        if name not in there:
            state = State.LIMITED if name in USEFUL else State.MISSING
            cure = f"Manage Jenkins, Plugins: install {name}"
            yield Check("plugin", state, f"{name} is missing ({purpose})", cure)
        elif (old := OLDEST_PLUGIN.get(name)) and _numbers(there[name].version)[:1] < (old,):
            text = f"{name} {there[name].version} is too old for: {purpose}"
            yield Check("plugin", State.MISSING, text, f"update it to {old} or newer")
    yield Check("plugins", State.GOOD, f"{len(there)} active")


def _may_create(controller: Controller, folder: str, deadline: Deadline) -> Check:
    """The permission is checked before the name, and an empty name is refused: nothing is made."""
    where = folder or "the top"
    path = f"{job_path(folder)}/createItem".lstrip("/")
    try:
        answer = controller.door.ask("POST", path, deadline, query={"name": ""}, xml="<x/>")
    except Refused as refused:
        if refused.status == FORBIDDEN:
            text = f"may not make jobs in {where}"
            return Check("permission", State.MISSING, text, "grant Job/Create and Job/Configure")
        return Check("permission", State.GOOD, f"may make jobs in {where}")
    if answer is None:
        text = f"the folder {where} is not there yet, or may not be seen"
        return Check("permission", State.LIMITED, text, "virtci jenkins apply makes it")
    return Check("permission", State.GOOD, f"may make jobs in {where}")


def _agents(controller: Controller, wanted: Wanted, deadline: Deadline) -> Iterator[Check]:
    nodes = _allowed(lambda: controller.nodes(deadline))
    if nodes is None:
        yield Check("agents", State.LIMITED, "the agents may not be seen", "grant Agent/Connect")
        return
    for label in dict.fromkeys(wanted.labels):
        having = [node for node in nodes if label in node.labels]
        online = [node for node in having if not node.offline]
        if online:
            executors = sum(node.num_executors for node in online)
            text = f"{label}: {len(online)} agents, {executors} executors"
            yield Check("agents", State.GOOD, text)
        elif re.fullmatch(r"[\w.-]+", label):
            why = ", ".join(f"{node.display_name} is offline" for node in having)
            text = f"{label}: {why or 'no agent has this label'}"
            yield Check("agents", State.MISSING, text, "builds would wait for ever")


def _locks(controller: Controller, wanted: Wanted, deadline: Deadline) -> Iterator[Check]:
    resources = _allowed(lambda: controller.resources(deadline))
    for label in dict.fromkeys(wanted.locks):
        having = [one for one in resources or () if label in one.labels_as_list]
        if having:
            held = [f"{one.name} by {one.build_name}" for one in having if one.locked]
            text = f"{label}: {len(having)} resources" + (f"; held: {', '.join(held)}" * bool(held))
            yield Check("locks", State.GOOD, text)
        else:
            text = f"no lockable resource has the label {label}"
            cure = "Manage Jenkins, System, Lockable Resources: add one for each host"
            yield Check("locks", State.MISSING, text, cure)


def _credentials(controller: Controller, wanted: Wanted, deadline: Deadline) -> Iterator[Check]:
    there = _allowed(lambda: controller.credentials(deadline))
    ids = {one.id for one in there or ()}
    for name in dict.fromkeys(wanted.credentials):
        if name in ids:
            yield Check("credentials", State.GOOD, name)
        elif there is None:
            yield Check("credentials", State.LIMITED, f"{name}: credentials may not be seen")
        else:
            cure = "add it under Manage Jenkins, Credentials"
            yield Check("credentials", State.MISSING, f"{name} is not there", cure)


def _allowed(ask: Callable[[], T]) -> T | None:
    """The answer, or None when it may not be seen."""
    try:
        return ask()
    except (Refused, Absent):
        return None


def _numbers(version: str) -> tuple[int, ...]:
    found: Iterable[str] = re.findall(r"\d+", version)
    return tuple(int(text) for text in found)
