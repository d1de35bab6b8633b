"""What we ask an Open Build Service; each is one request, read by the pure parsers."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.obs.door import Door, NotThere, Query, Refused, Unreachable
from ci.obs.results import (
    Binary,
    Built,
    JobStatus,
    Queue,
    Reason,
    Results,
    parse_binaries,
    parse_job_history,
    parse_job_status,
    parse_queue,
    parse_reason,
    parse_results,
)
from ci.obs.sources import (
    Directory,
    Revision,
    SourceFile,
    SourceInfo,
    parse_directory,
    parse_revisions,
    parse_source_info,
)
from ci.obs.target import Package, Place

LOG_TAIL_BYTES = 400_000
SILENCE = 0.8  # of the time that an answer may be held back


def results(
    door: Door,
    deadline: Deadline,
    project: str,
    packages: tuple[str, ...] = (),
    places: tuple[Place, ...] = (),
    *,
    since: str = "",
    seconds: float = 60.0,
) -> Results | None:
    """The states of ``packages`` (none named: of all).

    With ``since`` (a former answer's ``state``) the service answers when something changed;
    None when nothing did within ``seconds``. One request, however many packages.
    """
    query: Query = (("view", "status"), *(("package", name) for name in packages))
    query += tuple(("repository", r) for r in dict.fromkeys(p.repository for p in places))
    query += tuple(("arch", a) for a in dict.fromkeys(p.arch for p in places))
    path = f"/build/{project}/_result"
    if not since:
        return parse_results(door.call("GET", path, deadline, query=query))
    asked = (*query, ("oldstate", since))
    began = deadline.clock.monotonic()
    try:
        return parse_results(
            door.call("GET", path, deadline, query=asked, seconds=seconds, repeat=False)
        )
    except Unreachable:
        if deadline.clock.monotonic() - began >= SILENCE * seconds:
            return None  # silence is the usual answer: nothing has changed
    # this was too early for silence: ask plainly, with all patience, and fail when it is at its end
    return parse_results(door.call("GET", path, deadline, query=query))


def job_history(
    door: Door,
    deadline: Deadline,
    project: str,
    place: Place,
    *,
    packages: tuple[str, ...] = (),
    limit: int = 20,
) -> tuple[Built, ...]:
    """The last builds (of all packages when none is named) in a place, oldest first."""
    query: Query = (("limit", str(limit)), *(("package", name) for name in packages))
    path = f"/build/{project}/{place.repository}/{place.arch}/_jobhistory"
    return parse_job_history(door.call("GET", path, deadline, query=query))


def reason(door: Door, deadline: Deadline, package: Package, place: Place) -> Reason:
    path = f"/build/{package.project}/{place.repository}/{place.arch}/{package.package}/_reason"
    return parse_reason(door.call("GET", path, deadline))


def job_status(door: Door, deadline: Deadline, package: Package, place: Place) -> JobStatus:
    path = f"/build/{package.project}/{place.repository}/{place.arch}/{package.package}/_jobstatus"
    return parse_job_status(door.call("GET", path, deadline))


def build_log(door: Door, deadline: Deadline, package: Package, place: Place) -> str:
    """The build log, at most its last part; empty where there is none."""
    path = f"/build/{package.project}/{place.repository}/{place.arch}/{package.package}/_log"
    try:
        data = door.call("GET", path, deadline, query=(("nostream", "1"), ("last", "1")))
    except (NotThere, Refused):
        return ""
    return data[-LOG_TAIL_BYTES:].decode(errors="replace")


def log_from(
    door: Door, deadline: Deadline, package: Package, place: Place, *, start: int
) -> bytes:
    """What the log of a running build has from byte ``start`` on; empty where nothing is new."""
    path = f"/build/{package.project}/{place.repository}/{place.arch}/{package.package}/_log"
    query = (("nostream", "1"), ("start", str(start)))
    try:
        return door.call("GET", path, deadline, query=query, repeat=False)
    except (NotThere, Refused, Unreachable):
        return b""


def binaries(door: Door, deadline: Deadline, package: Package, place: Place) -> tuple[Binary, ...]:
    path = f"/build/{package.project}/{place.repository}/{place.arch}/{package.package}"
    return parse_binaries(door.call("GET", path, deadline, query=(("withmd5", "1"),)))


def queue(door: Door, deadline: Deadline, arch: str) -> Queue:
    return parse_queue(door.call("GET", "/build/_workerstatus", deadline), arch)


def directory(
    door: Door, deadline: Deadline, package: Package, rev: str = "", *, expand: bool
) -> Directory:
    """The sources; with ``expand`` links are followed (a broken link is then refused)."""
    query: Query = (("expand", "1"),) if expand else ()
    if rev:
        query = (*query, ("rev", rev))
    return parse_directory(door.call("GET", f"/source/{package}", deadline, query=query))


def revisions(door: Door, deadline: Deadline, package: Package) -> tuple[Revision, ...]:
    return parse_revisions(door.call("GET", f"/source/{package}/_history", deadline))


def exists(door: Door, deadline: Deadline, project: str, package: str = "") -> bool:
    path = f"/source/{project}/{package}/_meta" if package else f"/source/{project}/_meta"
    try:
        door.call("GET", path, deadline)
    except NotThere:
        return False
    return True


def source_diff(door: Door, deadline: Deadline, package: Package, *, old: str, new: str) -> str:
    """The unified difference of two revisions, links followed; at most its first part."""
    query = (
        ("cmd", "diff"),
        ("orev", old),
        ("rev", new),
        ("expand", "1"),
        ("unified", "1"),
        ("filelimit", "200"),
    )
    path = f"/source/{package}"
    return door.call("POST", path, deadline, query=query, repeat=True).decode(errors="replace")


def source_info(door: Door, deadline: Deadline, package: Package) -> SourceInfo:
    """What the sources are, links followed, as the scheduler sees them."""
    data = door.call("GET", f"/source/{package}", deadline, query=(("view", "info"),))
    return parse_source_info(data)


def names(door: Door, deadline: Deadline, path: str) -> tuple[SourceFile, ...]:
    """The projects of an instance (``/source``) or the packages of a project."""
    return parse_directory(door.call("GET", path, deadline)).files
