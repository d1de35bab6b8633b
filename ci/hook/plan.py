"""The webhook's own file: where it listens, who may call, what is ordered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from ci.errors import UsageError
from ci.hook.event import FIELDS
from ci.model import Record

Kind = Literal["github", "gitlab", "obs", "virtci"]
LEAST_SECRET = 16
_PATH = re.compile(r"^/[A-Za-z0-9][A-Za-z0-9._/-]{0,100}$")


class Caller(Record, frozen=True, kw_only=True):
    """``[[callers]]``: ``path`` is where it calls, ``secret`` names an environment variable.

    ``job`` is ordered with ``parameters``: each the name of a field of the event (ref, branch,
    revision, repository, project, package). ``branches`` and ``packages``: only these, when given.
    """

    path: str
    kind: Kind
    secret: str
    job: str
    parameters: dict[str, str] = {}
    branches: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _PATH.match(self.path):
            raise ValueError(f'path: "{self.path}" is no path such as /gitlab')
        for name, value in self.parameters.items():
            if value not in FIELDS:
                raise ValueError(f'parameters.{name}: "{value}" is none of {", ".join(FIELDS)}')


class HookPlan(Record, frozen=True, kw_only=True):
    """``address`` is loopback unless said otherwise; in front of anything else belongs TLS."""

    callers: tuple[Caller, ...]
    address: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8091

    def __post_init__(self) -> None:
        paths = [caller.path for caller in self.callers]
        if not paths or len(set(paths)) != len(paths):
            raise ValueError("callers: at least one, each with a path of its own")


def secrets_of(plan: HookPlan, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Each caller's secret by its path. Raises UsageError for one that is missing or short."""
    found: dict[str, bytes] = {}
    for caller in plan.callers:
        value = environment.get(caller.secret, "")
        if len(value) < LEAST_SECRET:
            what = "is not set" if not value else f"is shorter than {LEAST_SECRET} characters"
            raise UsageError(
                f"the secret of {caller.path}: the environment variable {caller.secret} {what}",
                hint="openssl rand -hex 32 makes one",
            )
        found[caller.path] = value.encode()
    return found
