"""Who is told what: a file of recipients. Addresses with passwords are in the environment."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from ci.codec import decode, parse_toml, read_text
from ci.errors import UsageError
from ci.model import Record
from ci.notify.decision import Decided, News

_BLANK = re.compile(r"\{\w*\}")


class Recipient(Record, frozen=True, kw_only=True):
    """``[[recipients]]``: ``url_env`` names the variable that holds the address as Apprise writes
    it (mailto://, matrix://, slack://, irc://, json:// ...). ``on`` is what to tell, ``plans`` are
    patterns of plan names."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    url_env: Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]*$")]
    on: tuple[News, ...] = (News.NEW, News.FIXED, News.STILL, News.PLAN)
    plans: tuple[str, ...] = ("*",)

    def wants(self, decided: Decided, plan: str) -> bool:
        named = any(fnmatchcase(plan, pattern) for pattern in self.plans)
        return named and decided.news is not None and decided.news in self.on

    def url(self) -> str:
        """Raises UsageError when the variable is not set."""
        value = os.environ.get(self.url_env, "")
        if not value:
            raise UsageError(
                f'the address of "{self.name}" is missing: {self.url_env} is not set',
                hint=f"export {self.url_env}=mailto://... (see the documentation of Apprise)",
            )
        return value


class Recipients(Record, frozen=True, kw_only=True):
    """The whole file. ``link`` is where runs can be looked at; {run} is replaced."""

    recipients: tuple[Recipient, ...]
    link: str = ""

    def __post_init__(self) -> None:
        unknown = set(_BLANK.findall(self.link)) - {"{run}"}
        if unknown:  # as a ValueError the file and line come to it
            raise ValueError(
                f"link: {min(unknown)} is not known; {{run}} is replaced by the run's id"
            )


def load_recipients(path: Path) -> Recipients:
    """Raises UsageError that names file, line and key."""
    text = read_text(path)
    found = decode(parse_toml(text, path), Recipients, source=str(path), text=text)
    names = [one.name for one in found.recipients]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'{path}: recipients: two are named "{name}"')
    return found
