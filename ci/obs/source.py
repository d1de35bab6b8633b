"""Source ``obs``: a package at a revision, links followed; or what its spec makes of it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

from msgspec import Meta

from ci.deadline import Deadline
from ci.errors import InfraError, ProductError
from ci.model import Commit, Record, Tree
from ci.obs import queries
from ci.obs.api import connect
from ci.obs.buildlog import parse_log, telling
from ci.obs.door import Door
from ci.obs.sources import Directory, Revision
from ci.obs.target import Package
from ci.run import Step
from ci.shell import STATUS_NOT_FOUND
from ci.sources.export import Origin, export

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+:-]*$")]


class ObsSource(Record, frozen=True, kw_only=True, tag_field="kind", tag="obs"):
    """``rev``: a revision number or srcmd5; empty: the newest.

    ``prepared``: the tree is what the spec's %prep makes of the sources (unpacked, the patches
    applied in the spec's order) instead of the files of the package. It runs the spec's %prep.
    """

    apiurl: str = ""
    allow_http: bool = False
    project: Name
    package: Name
    rev: Annotated[str, Meta(pattern=r"^[0-9a-f]*$")] = ""
    prepared: bool = False

    def located(self, base: Path) -> Self:
        return self

    def decided(self) -> tuple[str, ...]:
        where = self.apiurl or "osc's own instance"
        what = f"{self.project}/{self.package} at {self.rev or 'its newest revision'}"
        prepared = ("unpack it and apply its patches as its spec does",) if self.prepared else ()
        return (f"fetch {what} from {where}", *prepared)

    def fetch(self, step: Step, *, since: str = "") -> Tree:
        """Raises UsageError for a package or revision that does not exist, InfraError for a link
        that does not merge and for the network, ProductError when %prep fails."""
        door = connect(self.apiurl, allow_http=self.allow_http)
        package = Package(project=self.project, package=self.package)
        found = queries.directory(door, step.deadline, package, self.rev, expand=True)
        step.say(f"{package} is at revision {found.rev} ({found.srcmd5[:12]})")
        history = queries.revisions(door, step.deadline, package)
        origin = Origin(
            name=str(package),
            revision=found.srcmd5,
            version="",
            commits=_commits(history, since),
        )

        def fill(folder: Path) -> None:
            if not self.prepared:
                _download(door, step.deadline, package, found, folder)
                return
            files = step.folder / "package"
            shutil.rmtree(files, ignore_errors=True)
            files.mkdir()
            _download(door, step.deadline, package, found, files)
            _prepare(step, files, folder, package)

        return export(step, origin, fill)


def _commits(history: tuple[Revision, ...], since: str) -> tuple[Commit, ...]:
    """The revisions after ``since`` (a number or srcmd5), newest first; all when it is unknown."""
    start = next((n for n, r in enumerate(history) if since and since in (r.rev, r.srcmd5)), -1)
    return tuple(
        Commit(
            id=revision.srcmd5,
            author=revision.user,
            date=datetime.fromtimestamp(revision.at, UTC).isoformat(),
            subject=(revision.comment.splitlines() or [f"revision {revision.rev}"])[0],
        )
        for revision in reversed(history[start + 1 :])
    )


def _download(
    door: Door, deadline: Deadline, package: Package, found: Directory, folder: Path
) -> None:
    for file in found.files:
        if "/" in file.name or file.name.startswith("."):
            raise InfraError(f"{door.apiurl} lists a source with the odd name {file.name!r}")
        query = (("rev", found.srcmd5),)
        size = door.download(
            f"/source/{package}/{file.name}", folder / file.name, deadline, query=query
        )
        if size != file.size:
            raise InfraError(f"{file.name} came with {size} bytes instead of {file.size}")


def _prepare(step: Step, files: Path, folder: Path, package: Package) -> None:
    """Let rpm unpack and patch, and take the folder that it made."""
    spec = _only_spec(files, package)
    top = step.folder / "prepared"
    shutil.rmtree(top, ignore_errors=True)
    (top / "BUILD").mkdir(parents=True)
    defines = (f"_topdir {top}", f"_sourcedir {files}", f"_builddir {top}/BUILD")
    argv = ("rpmbuild", "-bp", "--nodeps", *(f"--define={d}" for d in defines), str(spec))
    done = step.shell.run(argv, step.deadline, log=step.folder / "prep.log")
    if done.status == STATUS_NOT_FOUND:
        raise InfraError("rpmbuild is not installed on this machine", hint="apt-get install rpm")
    if not done.ok:
        said = "\n".join(line.text for line in telling(parse_log(done.stdout)))
        raise ProductError(
            f"%prep of {package} fails: its sources do not unpack or a patch does not apply",
            detail=said,
            hint=f"the whole log: {step.folder / 'prep.log'}",
        )
    made = [path for path in (top / "BUILD").iterdir() if path.is_dir()]
    for path in made[0].iterdir() if len(made) == 1 else made:
        path.rename(folder / path.name)


def _only_spec(files: Path, package: Package) -> Path:
    specs = sorted(files.glob("*.spec"))
    named = [path for path in specs if path.stem == package.package] or specs
    if len(named) != 1:
        names = ", ".join(path.name for path in specs) or "none"
        raise ProductError(f"{package} has no one spec to prepare its sources with: {names}")
    return named[0]
