"""Options of the commands that run one suite on a connection."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ci.errors import UsageError
from ci.pipelines.plan import CrashPlan

Packages = Annotated[
    Path | None, typer.Option(help="Folder of the packages that run there, with debuginfo.")
]
Known = Annotated[Path | None, typer.Option(help="File of known issues: tickets, owners, waivers.")]


def known_issues(path: Path | None) -> str:
    """The file of ``Known`` as a plan would name it. Raises UsageError when it cannot be read."""
    return CrashPlan(known=str(path)).located(Path.cwd()).known if path else ""


def packages_folder(path: Path | None) -> str:
    """The absolute path of ``Packages``; empty when it was not given. Raises UsageError."""
    if path is None:
        return ""
    if not path.is_dir():
        raise UsageError(f"--packages {path}: there is no such folder")
    return str(path.absolute())


def words(option: str, text: str) -> tuple[str, ...]:
    """A command that an option gives as one text. Raises UsageError when its quotes are wrong."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None
