"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ci.places import RUNS

RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder that runs lie in.")]
RUNS_DEFAULT = RUNS
Resume = Annotated[str, typer.Option(help="Go on with this run (id, part of it, last).")]
