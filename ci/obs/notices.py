"""Pure: events of an Open Build Service, from its notification queue or from the message bus."""

from __future__ import annotations

import msgspec

from ci.errors import InfraError
from ci.model import Record
from ci.obs.results import Built, PackageState
from ci.obs.xml_text import Element, number, parse

# The bus names an event by the end of its routing key, the queue by a type of its own.
BUS_NAMES = {
    "BUILD_SUCCESS": "package.build_success",
    "BUILD_FAIL": "package.build_fail",
    "BUILD_UNCHANGED": "package.build_unchanged",
    "REPO_PUBLISHED": "repo.published",
    "REPO_PUBLISH_STATE": "repo.publish_state",
    "REPO_BUILD_FINISHED": "repo.build_finished",
    "REPO_BUILD_STARTED": "repo.build_started",
    "SRCSRV_COMMIT": "package.commit",
    "SRCSRV_VERSION_CHANGE": "package.version_change",
    "SRCSRV_SERVICE_SUCCESS": "package.service_success",
    "SRCSRV_SERVICE_FAIL": "package.service_fail",
    "SRCSRV_CREATE_PACKAGE": "package.create",
    "SRCSRV_DELETE_PACKAGE": "package.delete",
}
BUILD_EVENTS = {
    "succeeded": "package.build_success",
    "unchanged": "package.build_unchanged",
    "failed": "package.build_fail",
}


class Notice(Record, frozen=True, kw_only=True):
    """Something happened. ``kind`` is the end of the bus's routing key, as package.build_success.

    ``at`` is when the build ended or the event was sent, in seconds since the epoch.
    """

    kind: str
    project: str
    package: str = ""
    repository: str = ""
    arch: str = ""
    rev: str = ""
    srcmd5: str = ""
    versrel: str = ""
    bcnt: str = ""
    reason: str = ""
    state: str = ""
    started: int = 0
    at: int = 0

    @property
    def identity(self) -> str:
        """What names this build once and for all, wherever the news of it came from.

        A failed build does not count up ``bcnt``; the moment it started tells it from the next.
        """
        parts = (self.kind, self.project, self.package, self.repository, self.arch)
        return "|".join((*parts, self.srcmd5, self.versrel, self.bcnt, str(self.started)))


class Batch(Record, frozen=True, kw_only=True):
    """Some events of the queue; ``next`` is where to go on. ``lost``: the queue was cut."""

    next: int
    notices: tuple[Notice, ...]
    lost: bool = False


def parse_queue_batch(data: bytes | str) -> Batch:
    """The answer of ``lastnotifications``."""
    root = parse(data, "notifications")
    notices = (_of_queue(element) for element in root.findall("notification"))
    return Batch(
        next=number(root.get("next")),
        notices=tuple(notice for notice in notices if notice is not None),
        lost=root.get("sync") == "lost",
    )


def _of_queue(element: Element) -> Notice | None:
    kind = BUS_NAMES.get(element.get("type", ""))
    if kind is None:
        return None
    data = {d.get("key", ""): d.text or "" for d in element.findall("data")}
    return _notice(kind, data, number(element.get("time")))


def parse_message(routing_key: str, body: bytes) -> Notice | None:
    """A message of the bus; None for an event that says nothing about packages or repositories.

    Raises InfraError when the body is no JSON object.
    """
    kind = ".".join(routing_key.split(".")[-2:])
    if kind not in BUS_NAMES.values():
        return None
    try:
        data = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        shown = body[:200].decode(errors="replace")
        raise InfraError(f"a message of the bus ({routing_key}) is no JSON", detail=shown) from None
    return _notice(kind, {key: str(value or "") for key, value in data.items()}, 0)


def _notice(kind: str, data: dict[str, str], at: int) -> Notice:
    return Notice(
        kind=kind,
        project=data.get("project", ""),
        package=data.get("package", ""),
        repository=data.get("repository") or data.get("repo", ""),
        arch=data.get("arch", ""),
        rev=data.get("rev", ""),
        srcmd5=data.get("srcmd5", ""),
        versrel=data.get("versrel", ""),
        bcnt=data.get("bcnt", ""),
        reason=data.get("reason", ""),
        state=data.get("state", ""),
        started=number(data.get("starttime")),
        at=number(data.get("endtime")) or at,
    )


def notice_of_build(place: PackageState, built: Built) -> Notice | None:
    """The event that a build in the history must have sent; for catching up on what was missed."""
    kind = BUILD_EVENTS.get(built.code)
    if kind is None:
        return None
    return Notice(
        kind=kind,
        project=place.project,
        package=built.package,
        repository=place.repository,
        arch=place.arch,
        rev=built.rev,
        srcmd5=built.srcmd5,
        versrel=built.versrel,
        bcnt=built.bcnt,
        reason=built.reason,
        started=built.started,
        at=built.ended,
    )
