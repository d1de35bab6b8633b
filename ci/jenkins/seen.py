"""What a controller tells, as records: only the fields that are used, unknown ones left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from ci.errors import InfraError

T = TypeVar("T")
TREE = {
    "queue": "id,why,stuck,cancelled,blocked,buildable,"
    "actions[parameters[name,value]],task[name,url],executable[number,url]",
    "build": "number,url,building,inProgress,result,duration,timestamp,queueId,"
    "actions[parameters[name,value],failCount,skipCount,totalCount]",
}


class Seen(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Decoded from a controller's JSON."""


class Task(Seen, frozen=True, kw_only=True):
    name: str = ""
    url: str = ""


class Executable(Seen, frozen=True, kw_only=True):
    number: int
    url: str = ""


class Parameter(Seen, frozen=True, kw_only=True):
    name: str = ""
    value: Any = None


class Action(Seen, frozen=True, kw_only=True):
    """One of several kinds; each field belongs to one of them."""

    parameters: tuple[Parameter, ...] = ()
    fail_count: int | None = None
    skip_count: int | None = None
    total_count: int | None = None


class QueueItem(Seen, frozen=True, kw_only=True):
    """An order on its way. Even one that has left may have no ``executable`` yet."""

    id: int
    why: str | None = None
    stuck: bool = False
    cancelled: bool | None = None
    blocked: bool = False
    buildable: bool = False
    task: Task = Task()
    executable: Executable | None = None
    actions: tuple[Action, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        return _parameters(self.actions)


class BuildState(Seen, frozen=True, kw_only=True):
    """A build. ``result`` may be there before it has ended; ``duration`` (ms) may come after."""

    number: int
    url: str = ""
    building: bool = False
    in_progress: bool | None = None
    result: str | None = None
    duration: int = 0
    timestamp: int = 0
    queue_id: int = 0
    actions: tuple[Action, ...] = ()

    @property
    def ended(self) -> bool:
        return not self.building and not self.in_progress and self.result is not None

    @property
    def parameters(self) -> dict[str, str]:
        return _parameters(self.actions)

    @property
    def tests(self) -> Action | None:
        """The counts of its JUnit, when it has published any."""
        return next((action for action in self.actions if action.total_count is not None), None)


class ParameterDefault(Seen, frozen=True, kw_only=True):
    value: Any = None


class ParameterDefinition(Seen, frozen=True, kw_only=True):
    """``choices`` only for a choice."""

    name: str = ""
    type: str = ""
    choices: tuple[str, ...] | None = None
    default_parameter_value: ParameterDefault | None = None


class Property(Seen, frozen=True, kw_only=True):
    parameter_definitions: tuple[ParameterDefinition, ...] = ()


class ViewSeen(Seen, frozen=True, kw_only=True):
    name: str = ""
    description: str | None = None


class Job(Seen, frozen=True, kw_only=True):
    """A job as its JSON shows it; ``kind`` is the class: a folder has ``jobs``."""

    kind: str = msgspec.field(default="", name="_class")
    name: str = ""
    full_name: str = ""
    description: str | None = None
    disabled: bool = False
    buildable: bool = True
    color: str = ""
    in_queue: bool = False
    next_build_number: int = 1
    properties: tuple[Property, ...] = msgspec.field(default=(), name="property")
    jobs: tuple[Job, ...] | None = None
    views: tuple[ViewSeen, ...] = ()
    builds: tuple[BuildState, ...] = ()

    @property
    def parameters(self) -> tuple[ParameterDefinition, ...]:
        return tuple(d for item in self.properties for d in item.parameter_definitions)


class Stage(Seen, frozen=True, kw_only=True):
    id: str
    name: str
    status: str = ""
    duration_millis: int = 0


class Case(Seen, frozen=True, kw_only=True):
    """One test of a report; REGRESSION is a failure that passed in the build before."""

    class_name: str | None = None
    name: str = ""
    status: str = ""
    error_details: str | None = None

    @property
    def failed(self) -> bool:
        return self.status in ("FAILED", "REGRESSION")


class Suite(Seen, frozen=True, kw_only=True):
    cases: tuple[Case, ...] = ()


class Plugin(Seen, frozen=True, kw_only=True):
    short_name: str
    version: str = ""
    enabled: bool = True
    active: bool = True


class Label(Seen, frozen=True, kw_only=True):
    name: str = ""


class Node(Seen, frozen=True, kw_only=True):
    display_name: str
    offline: bool = False
    offline_cause_reason: str = ""
    temporarily_offline: bool = False
    num_executors: int = 0
    idle: bool = True
    assigned_labels: tuple[Label, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(label.name for label in self.assigned_labels)


class Resource(Seen, frozen=True, kw_only=True):
    """A lockable resource; ``build_name`` holds it."""

    name: str
    description: str | None = None
    labels_as_list: tuple[str, ...] = ()
    locked: bool = False
    reserved: bool = False
    reserved_by: str | None = None
    build_name: str | None = None


class Artifact(Seen, frozen=True, kw_only=True):
    relative_path: str


class User(Seen, frozen=True, kw_only=True):
    id: str = ""


class Credential(Seen, frozen=True, kw_only=True):
    id: str


def seen(text: str, kind: type[T], *, what: str, inside: str = "") -> T:
    """Decode JSON of a controller. Raises InfraError when it is something else, such as a page."""
    try:
        data = msgspec.json.decode(text)
        if inside:
            data = data.get(inside, [])
        return msgspec.convert(_without_nulls(data), kind)
    except (msgspec.MsgspecError, AttributeError) as error:
        raise InfraError(
            f"{what}: the controller's answer is not what Jenkins sends ({error})",
            detail=text[:300],
            hint="is there a proxy or a login page in front of it?",
        ) from None


def _parameters(actions: tuple[Action, ...]) -> dict[str, str]:
    return {p.name: _shown(p.value) for action in actions for p in action.parameters if p.name}


def _without_nulls(data: Any) -> Any:
    """Empty objects in lists stand for things the tree did not ask for, or we may not see."""
    if isinstance(data, Mapping):
        return {name: _without_nulls(value) for name, value in data.items() if value is not None}
    if isinstance(data, list):
        return [_without_nulls(value) for value in data]
    return data


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
