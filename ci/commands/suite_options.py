"""Options of the commands that run one suite on a connection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ci.pipelines.plan import CrashPlan

Packages = Annotated[
    Path | None, typer.Option(help="Folder of the packages that run there, with debuginfo.")
]
Known = Annotated[Path | None, typer.Option(help="File of known issues: tickets, owners, waivers.")]


def known_issues(path: Path | None) -> str:
    """The file of ``Known`` as a plan would name it. Raises UsageError when it cannot be read."""
    return CrashPlan(known=str(path)).located(Path.cwd()).known if path else ""
