"""Projects and packages made for a run: created, branched, and removed again, also after a kill.

Who makes something writes that down first, in a file of its own below the user's cache folder; the
file goes when the thing is gone. A file whose owner died is somebody's leftover.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import msgspec

from ci.codec import fingerprint, from_json, to_json
from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.model import Record
from ci.obs.door import Door, NotThere
from ci.obs.queries import exists
from ci.obs.target import Package, Place
from ci.places import cache_folder


class Made(Record, frozen=True, kw_only=True):
    """Something on an instance that is to be removed; an empty package means the whole project."""

    apiurl: str
    project: str
    package: str
    pid: int
    started: str


def note(door: Door, project: str, package: str = "") -> Path:
    """Write down that this process is about to make it. Call ``forget`` when it is removed."""
    pid = os.getpid()
    made = Made(
        apiurl=door.apiurl, project=project, package=package, pid=pid, started=_started(pid)
    )
    path = _folder() / f"{fingerprint(door.apiurl, project, package)}.json"
    path.write_bytes(to_json(made))
    return path


def left_over() -> Iterator[tuple[Path, Made]]:
    """What dead processes of this user on this machine made and did not remove."""
    for path in sorted(_folder().glob("*.json")):
        try:
            made = from_json(path.read_bytes(), Made)
        except (OSError, msgspec.MsgspecError):
            path.unlink(missing_ok=True)
            continue
        if _started(made.pid) != made.started:
            yield path, made


def sweep(door: Door, deadline: Deadline) -> tuple[str, ...]:
    """Remove what is left over on this instance; return the names of what was removed."""
    gone = []
    for path, made in left_over():
        if made.apiurl == door.apiurl:
            remove(door, deadline, made.project, made.package)
            path.unlink(missing_ok=True)
            gone.append(f"{made.project}/{made.package}".rstrip("/"))
    return tuple(gone)


def remove(door: Door, deadline: Deadline, project: str, package: str = "") -> None:
    """Delete it; all the same when it is gone already."""
    path = f"/source/{project}/{package}".rstrip("/")
    try:
        door.call("DELETE", path, deadline, query=(("comment", "made for a run of virtci"),))
    except NotThere:
        return


def create_project(
    door: Door, deadline: Deadline, name: str, base: str, places: tuple[Place, ...]
) -> None:
    """A project that builds against the same repositories of ``base``; an existing one is kept."""
    if exists(door, deadline, name):
        return
    repositories = dict.fromkeys(place.repository for place in places)
    lines = [f"<project name={quoteattr(name)}><title/><description>made by virtci</description>"]
    lines.append(f'<person userid={quoteattr(door.user)} role="maintainer"/>')
    for repository in repositories:
        lines.append(f"<repository name={quoteattr(repository)}>")
        lines.append(f"<path project={quoteattr(base)} repository={quoteattr(repository)}/>")
        arches = (p.arch for p in places if p.repository == repository)
        lines += [f"<arch>{escape(arch)}</arch>" for arch in arches]
        lines.append("</repository>")
    body = "".join((*lines, "</project>")).encode()
    door.call("PUT", f"/source/{name}/_meta", deadline, data=body)


def create_empty_project(door: Door, deadline: Deadline, name: str) -> None:
    """A project that builds nothing until somebody gives it repositories."""
    head = f"<project name={quoteattr(name)}><title/><description>made by virtci</description>"
    body = f'{head}<person userid={quoteattr(door.user)} role="maintainer"/></project>'
    door.call("PUT", f"/source/{name}/_meta", deadline, data=body.encode())


def create_package(door: Door, deadline: Deadline, package: Package) -> None:
    """An empty package; an existing one is kept."""
    if exists(door, deadline, package.project, package.package):
        return
    head = f"<package name={quoteattr(package.package)} project={quoteattr(package.project)}>"
    body = f"{head}<title/><description/></package>".encode()
    door.call("PUT", f"/source/{package}/_meta", deadline, data=body)


def branch(door: Door, deadline: Deadline, origin: Package, target: Package) -> None:
    """Branch ``origin`` into ``target``; an existing one is kept as it is."""
    if exists(door, deadline, target.project, target.package):
        return
    query = (
        ("cmd", "branch"),
        ("target_project", target.project),
        ("target_package", target.package),
    )
    door.call("POST", f"/source/{origin}", deadline, query=query)
    if not exists(door, deadline, target.project, target.package):
        raise InfraError(f"{door.apiurl} did not branch {origin} into {target}")


def need_package(door: Door, deadline: Deadline, package: Package) -> None:
    """Raise UsageError unless it is there."""
    if exists(door, deadline, package.project, package.package):
        return
    if not exists(door, deadline, package.project):
        raise UsageError(
            f"{door.apiurl} has no project {package.project}",
            hint="correct build.project; or set build.create = true, or build.branch_from",
        )
    raise UsageError(
        f"{package.project} at {door.apiurl} has no package {package.package}",
        hint="correct build.package; or set build.create = true",
    )


def _folder() -> Path:
    return cache_folder("obs", "made")


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot; with the pid it names one process only."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
