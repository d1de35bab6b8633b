"""The way to an Open Build Service, as a protocol: real in ``api.py``, a fake in the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError

Query = tuple[tuple[str, str], ...]


class NotThere(UsageError):  # noqa: N818 - reads as what happened
    """The service knows no such project, package, file or log (404)."""


class Denied(UsageError):  # noqa: N818
    """The service refuses these credentials, or this user that request (401, 403)."""


class Refused(InfraError):  # noqa: N818
    """The service does not take the request as it is (400, 409 ...)."""


class Unreachable(InfraError):  # noqa: N818
    """Nobody answers, the connection was cut, or the service has trouble of its own (5xx)."""


class Door(Protocol):
    """One instance. ``apiurl`` and ``user`` are for messages and advice."""

    apiurl: str
    user: str

    def call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Query = (),
        data: bytes = b"",
        file: Path | None = None,
        seconds: float = 60.0,
        repeat: bool | None = None,
    ) -> bytes:
        """The body of a good answer.

        ``file`` is sent as the body. The service may be silent for ``seconds``. GET, PUT and
        DELETE are repeated while the service is unreachable, for a while; ``repeat`` says
        otherwise. Raises NotThere, Denied, Refused, Unreachable.
        """

    def download(self, path: str, target: Path, deadline: Deadline, *, query: Query = ()) -> int:
        """Write the body to ``target`` and give its size; never a part of it under that name."""


def address(apiurl: str, path: str, query: Query = ()) -> str:
    """The URL of a path; colons of project names stay readable."""
    asked = f"?{urlencode(query)}" if query else ""
    return f"{apiurl.rstrip('/')}/{quote(path.lstrip('/'), safe='/:+~@,')}{asked}"


def osc_command(door: Door) -> str:
    """How osc is called for this instance, in advice."""
    return f"osc -A {door.apiurl}"
