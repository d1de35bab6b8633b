"""What a build leaves, brought here: never outside the folder, whatever the controller names."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from ci.errors import InfraError
from ci.jenkins.controller import Controller
from ci.jenkins.patience import Patience

MOST_FILES = 20_000


def collect(controller: Controller, job: str, number: int, folder: Path, patience: Patience) -> int:
    """Bring every artifact of a build into ``folder``; how many there were.

    A controller that restarts meanwhile is waited for. Raises InfraError for a path that leads out
    of the folder, or too many files.
    """
    artifacts = patience.ask(partial(controller.artifacts, job, number))
    if len(artifacts) > MOST_FILES:
        raise InfraError(f"{job} #{number} has {len(artifacts)} artifacts; at most {MOST_FILES}")
    for artifact in artifacts:
        parts = PurePosixPath(artifact.relative_path).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise InfraError(f"{job} #{number}: the artifact {artifact.relative_path} leads out")
        target = folder.joinpath(*parts)
        patience.ask(partial(controller.fetch, job, number, artifact.relative_path, target))
    return len(artifacts)
