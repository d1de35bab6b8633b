"""Pure: what an Open Build Service answers about builds, as records."""

from __future__ import annotations

from ci.model import Record
from ci.obs.xml_text import Element, number, parse, text_of

FINAL = frozenset(
    {"succeeded", "failed", "unresolvable", "broken", "excluded", "disabled", "locked"}
)
SETTLED = frozenset({"published", "unpublished"})


class PackageState(Record, frozen=True, kw_only=True):
    """One package in one repository and architecture.

    ``dirty`` says that the scheduler has not looked again since something changed, so that
    ``code`` may be about older sources. ``repository_state`` is building, published ...
    """

    project: str
    repository: str
    arch: str
    package: str
    code: str
    details: str = ""
    dirty: bool = False
    repository_state: str = ""

    @property
    def where(self) -> str:
        return f"{self.repository}/{self.arch}"

    @property
    def final(self) -> bool:
        """Whether this is the last word about the sources that the scheduler knows."""
        return self.code in FINAL and not self.dirty


class Results(Record, frozen=True, kw_only=True):
    """All states asked for. ``state`` changes whenever any of them does."""

    state: str
    packages: tuple[PackageState, ...]
    repositories: tuple[PackageState, ...] = ()


def parse_results(data: bytes | str) -> Results:
    """The answer of ``_result``; ``repositories`` are the lines about whole repositories."""
    root = parse(data, "resultlist")
    lines = root.findall("result")
    return Results(
        state=root.get("state", ""),
        packages=tuple(_package(line, s) for line in lines for s in line.findall("status")),
        repositories=tuple(_repository(line) for line in lines),
    )


def _package(line: Element, status: Element) -> PackageState:
    return PackageState(
        project=line.get("project", ""),
        repository=line.get("repository", ""),
        arch=line.get("arch", ""),
        package=status.get("package", ""),
        code=status.get("code", "unknown"),
        details=text_of(status, "details"),
        dirty=line.get("dirty") == "true",
        repository_state=line.get("state") or line.get("code") or "",
    )


def _repository(line: Element) -> PackageState:
    state = line.get("state") or line.get("code") or "unknown"
    return PackageState(
        project=line.get("project", ""),
        repository=line.get("repository", ""),
        arch=line.get("arch", ""),
        package="",
        code=state,
        details=line.get("details", ""),
        dirty=line.get("dirty") == "true",
        repository_state=state,
    )


class Built(Record, frozen=True, kw_only=True):
    """One build that took place. Times are seconds since the epoch; ``code`` may be empty."""

    package: str
    rev: str
    srcmd5: str
    versrel: str
    bcnt: str
    code: str = ""
    reason: str = ""
    worker: str = ""
    ready: int = 0
    started: int = 0
    ended: int = 0
    verifymd5: str = ""

    @property
    def release(self) -> str:
        """version-release as the packages carry it when the project keeps OBS's own counting."""
        return f"{self.versrel}.{self.bcnt}"


def parse_job_history(data: bytes | str) -> tuple[Built, ...]:
    """The answer of ``_jobhistory``: every build, good or bad, oldest first."""
    return tuple(
        Built(
            package=job.get("package", ""),
            rev=job.get("rev", ""),
            srcmd5=job.get("srcmd5", ""),
            versrel=job.get("versrel", ""),
            bcnt=job.get("bcnt", ""),
            code=job.get("code", ""),
            reason=job.get("reason", ""),
            worker=job.get("workerid", ""),
            ready=number(job.get("readytime")),
            started=number(job.get("starttime")),
            ended=number(job.get("endtime")),
            verifymd5=job.get("verifymd5", ""),
        )
        for job in parse(data, "jobhistlist").findall("jobhist")
    )


class Binary(Record, frozen=True, kw_only=True):
    """One file that a build left. ``md5`` is empty where the service does not say."""

    name: str
    size: int
    mtime: int
    md5: str = ""


def parse_binaries(data: bytes | str) -> tuple[Binary, ...]:
    """The answer for a package in a repository and architecture."""
    return tuple(
        Binary(
            name=entry.get("filename", ""),
            size=number(entry.get("size")),
            mtime=number(entry.get("mtime")),
            md5=entry.get("md5", ""),
        )
        for entry in parse(data, "binarylist").findall("binary")
    )


class JobStatus(Record, frozen=True, kw_only=True):
    """What a worker does right now. ``last_seconds`` is how long the former build took."""

    code: str = ""
    worker: str = ""
    started: int = 0
    last_seconds: int = 0
    attempt: int = 0


def parse_job_status(data: bytes | str) -> JobStatus:
    root = parse(data, "jobstatus")
    return JobStatus(
        code=root.get("code", ""),
        worker=text_of(root, "workerid"),
        started=number(text_of(root, "starttime")),
        last_seconds=number(text_of(root, "lastduration")),
        attempt=number(text_of(root, "attempt")),
    )


class Reason(Record, frozen=True, kw_only=True):
    """Why the last build was started; ``changes`` names dependencies that changed."""

    text: str = ""
    at: int = 0
    changes: tuple[str, ...] = ()


def parse_reason(data: bytes | str) -> Reason:
    root = parse(data, "reason")
    changes = (f"{c.get('key', '')} ({c.get('change', '')})" for c in root.findall("packagechange"))
    return Reason(
        text=text_of(root, "explain"), at=number(text_of(root, "time")), changes=tuple(changes)
    )


class Queue(Record, frozen=True, kw_only=True):
    """The load of an instance for one architecture."""

    waiting: int
    blocked: int
    building: int
    workers: int


def parse_queue(data: bytes | str, arch: str) -> Queue:
    """The answer of ``_workerstatus``."""
    root = parse(data, "workerstatus")

    def jobs(kind: str) -> int:
        found = (e for e in root.findall(kind) if e.get("arch") == arch)
        return sum(number(e.get("jobs")) for e in found)

    building = len(root.findall("building"))
    return Queue(
        waiting=jobs("waiting"),
        blocked=jobs("blocked"),
        building=building,
        workers=building + len(root.findall("idle")),
    )


def parse_answer(data: bytes | str) -> str:
    """The summary of a ``<status>`` answer, or the start of whatever else came."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    if "<status" not in text:
        return " ".join(text.split())[:200]
    root = parse(text, "status")
    summary, details = text_of(root, "summary"), text_of(root, "details")
    return ": ".join(part for part in (summary, details) if part) or root.get("code", "")
