"""The packages below a folder as a build, for symbols: what ran where a crash happened."""

from __future__ import annotations

from pathlib import Path

from ci.deadline import Deadline
from ci.errors import UsageError
from ci.model import Build
from ci.rpmfile import read_package
from ci.shell import LocalShell


def build_of(packages: Path, deadline: Deadline) -> Build:
    """Raises UsageError when there are none."""
    shell = LocalShell()
    rpms = tuple(read_package(shell, path, deadline) for path in sorted(packages.rglob("*.rpm")))
    if not rpms:
        raise UsageError(f"there are no packages in {packages}")
    return Build(kind="prebuilt", revision="", rpms=rpms)
