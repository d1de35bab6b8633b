"""The plan's own command that makes a tarball of the tree (``make dist``, ``meson dist`` ...)."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from ci.build.log import diagnose
from ci.errors import InfraError, ProductError
from ci.run import Step
from ci.shell import STATUS_NOT_FOUND, Argv

_TARBALL = re.compile(r"^.+-(\d[\w.+~^]*?)\.(?:tar(?:\.\w+)?|tgz)$")


class Dist(NamedTuple):
    """A tarball and the version in its name, which the spec is to carry."""

    path: Path
    version: str


def run_dist(step: Step, tree: Path, argv: Argv) -> Dist:
    """Run ``argv`` in a copy of the tree; return the one tarball that it made, wherever.

    Raises ProductError when the command fails or makes no or several tarballs, OSError.
    """
    copy = step.folder / "dist"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(tree, copy, symlinks=True)
    before = set(_tarballs(copy))
    log = step.folder / "dist.log"
    done = step.shell.run(argv, step.deadline, cwd=str(copy), log=log)
    if done.status == STATUS_NOT_FOUND:
        raise InfraError(f"build.dist: {argv[0]} is not installed on this machine")
    if not done.ok:
        found = diagnose(done.stdout)
        raise ProductError(
            f"build.dist: {shlex.join(argv)} failed with status {done.status}: {found.cause}",
            detail="\n".join(found.lines),
            hint=f"the whole log: {log}",
        )
    return _only([path for path in _tarballs(copy) if path not in before], argv)


def _tarballs(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*-*")) if _TARBALL.match(path.name)]


def _only(made: list[Path], argv: Argv) -> Dist:
    if len(made) != 1:
        names = ", ".join(path.name for path in made) or "none"
        raise ProductError(
            f"build.dist: {shlex.join(argv)} has to make one tarball NAME-VERSION.tar.*: {names}"
        )
    found = _TARBALL.match(made[0].name)
    assert found
    return Dist(made[0], found[1])
