"""git as virtci runs it: never asking, in one language, by safe protocols alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ci.run import Step
from ci.shell import Completed

PROTOCOLS = ("https", "http", "ssh", "git", "file")
_ENV = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
    "GIT_OPTIONAL_LOCKS": "0",  # looking at a user's work tree does not refresh its index
    "GIT_LFS_SKIP_SMUDGE": "1",
}
# Set when virtci runs in a git hook; they would turn every command to that repository.
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
# Slower than 1 kB/s for a minute is a dead connection. Cleaning up runs in the foreground, so
# that nothing is left behind.
_OPTIONS = (
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"),
    *("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"),
    *("-c", "core.quotePath=true", "-c", "advice.detachedHead=false"),
)
# For what is done to our own copies: nothing of the user's own settings changes a tree.
UNCONFIGURED = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(
    step: Step,
    *args: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run git to its end, whatever the exit status."""
    unset = tuple(flag for name in _OF_HOOKS if name in os.environ for flag in ("-u", name))
    prefix = ("env", *unset) if unset else ()
    ssh = os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20")
    return step.shell.run(
        (*prefix, "git", *_OPTIONS, *args),
        step.deadline,
        cwd=str(cwd) if cwd else None,
        env={**_ENV, "GIT_SSH_COMMAND": ssh, **(env or {})},
    )
