"""Names: a package in a project, a repository and architecture."""

from __future__ import annotations

import re

from ci.errors import UsageError
from ci.model import Record

_NAME = re.compile(r"[A-Za-z0-9_][\w.+~:-]*")


class Place(Record, frozen=True, kw_only=True):
    """A repository and an architecture to build for."""

    repository: str
    arch: str

    def __str__(self) -> str:
        return f"{self.repository}/{self.arch}"


class Package(Record, frozen=True, kw_only=True):
    """A package in a project."""

    project: str
    package: str

    def __str__(self) -> str:
        return f"{self.project}/{self.package}"


def parse_package(text: str) -> Package:
    """PROJECT/PACKAGE. Raises UsageError for anything else."""
    return Package(**dict(zip(("project", "package"), _two(text, "PROJECT/PACKAGE"), strict=True)))


def parse_place(text: str) -> Place:
    """REPOSITORY/ARCH. Raises UsageError for anything else."""
    return Place(**dict(zip(("repository", "arch"), _two(text, "REPOSITORY/ARCH"), strict=True)))


def _two(text: str, form: str) -> tuple[str, str]:
    first, slash, second = text.partition("/")
    if not slash or not (_NAME.fullmatch(first) and _NAME.fullmatch(second)):
        raise UsageError(f"'{text}' is not of the form {form}")
    return first, second
