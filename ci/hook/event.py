"""What a call says, as one record, whoever it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ci.model import Record

FIELDS = ("ref", "branch", "revision", "repository", "project", "package")
_SAFE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_./:@+~-]{0,199}$")
_BRANCH = "refs/heads/"


class HookEvent(Record, frozen=True, kw_only=True):
    """Every field is plain (letters, digits and ``_./:@+~-``) or empty."""

    ref: str = ""
    branch: str = ""
    revision: str = ""
    repository: str = ""
    project: str = ""
    package: str = ""


class _Repository(msgspec.Struct):
    full_name: str = ""
    path_with_namespace: str = ""


class _Push(msgspec.Struct):
    """GitHub and GitLab; ``after`` is the new revision, all zeros for a deleted branch."""

    ref: str = ""
    after: str = ""
    checkout_sha: str | None = None
    repository: _Repository = msgspec.field(default_factory=_Repository)
    project: _Repository = msgspec.field(default_factory=_Repository)


class _Plain(msgspec.Struct):
    """OBS and our own: the fields as they are."""

    ref: str = ""
    branch: str = ""
    revision: str = ""
    rev: str = ""
    repository: str = ""
    project: str = ""
    package: str = ""


class Unreadable(ValueError):  # noqa: N818 - reads as what happened
    """The body is not what this kind of caller sends; the text says why."""


def read_event(kind: str, headers: Mapping[str, str], body: bytes) -> HookEvent | None:
    """The event; None for a call that starts nothing (a ping, a deleted branch).

    Raises Unreadable.
    """
    if headers.get("x-github-event") == "ping":
        return None
    try:
        if kind in ("github", "gitlab"):
            return _from_push(msgspec.json.decode(body, type=_Push))
        return _from_plain(msgspec.json.decode(body, type=_Plain))
    except msgspec.MsgspecError as error:
        raise Unreadable(f"the body is not understood: {error}") from None


def _from_push(push: _Push) -> HookEvent | None:
    revision = push.checkout_sha or push.after
    if not push.ref or not revision.strip("0"):
        return None
    name = push.repository.full_name or push.project.path_with_namespace
    return _checked(
        HookEvent(
            ref=push.ref,
            branch=push.ref.removeprefix(_BRANCH) if push.ref.startswith(_BRANCH) else "",
            revision=revision,
            repository=name,
        )
    )


def _from_plain(plain: _Plain) -> HookEvent:
    return _checked(
        HookEvent(
            ref=plain.ref,
            branch=plain.branch,
            revision=plain.revision or plain.rev,
            repository=plain.repository,
            project=plain.project,
            package=plain.package,
        )
    )


def _checked(event: HookEvent) -> HookEvent:
    """Fields become parameters of a job, so nothing but plain names gets through."""
    for name in FIELDS:
        value = getattr(event, name)
        if value and not _SAFE.match(value):
            raise Unreadable(f"{name} holds characters that no name has")
    return event
