"""What should be on the controller, from the plans alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from ci.codec import fingerprint
from ci.errors import UsageError
from ci.jenkins.facts import JobFacts, ParameterFacts, marked, to_xml
from ci.jenkins.pipeline import jenkinsfile, parameters
from ci.jenkins.plan import JenkinsPlan
from ci.templates import render


@dataclass(frozen=True)
class Source:
    """One plan: its path as agents see it (relative to the repository), and its table."""

    path: str
    plan: JenkinsPlan

    @property
    def job(self) -> str:
        return f"{self.plan.folder}/{self.plan.job or PurePosixPath(self.path).stem}"


@dataclass(frozen=True)
class View:
    folder: str
    name: str
    jobs: tuple[str, ...]

    @property
    def digest(self) -> str:
        return fingerprint(self.jobs)

    @property
    def xml(self) -> str:
        description = marked("Managed by virtci", self.digest)
        return render(
            "ci.jenkins", "view.xml.j2", name=self.name, description=description, jobs=self.jobs
        )


@dataclass(frozen=True)
class Lock:
    """A lockable resource with the labels of all plans that name it."""

    name: str
    labels: tuple[str, ...]

    @property
    def description(self) -> str:
        return marked("Managed by virtci", fingerprint(self.labels))


@dataclass(frozen=True)
class Wanted:
    """Folders (parents first), jobs by full name, views, lockable resources."""

    folders: tuple[str, ...]
    jobs: dict[str, JobFacts]
    views: tuple[View, ...]
    locks: tuple[Lock, ...] = ()


def wanted(sources: Iterable[Source]) -> Wanted:
    """Raises UsageError when two plans make the same job."""
    found = tuple(sources)
    jobs: dict[str, JobFacts] = {}
    paths: dict[str, str] = {}
    for source in found:
        if source.job in jobs:
            raise UsageError(
                f"{paths[source.job]} and {source.path} both make the job {source.job}",
                hint='give one of them another "job" in [jenkins]',
            )
        jobs[source.job], paths[source.job] = facts_of(source), source.path
    folders = {parent for source in found for parent in _parents(source.plan.folder)}
    return Wanted(tuple(sorted(folders)), jobs, _views(found), _locks(found))


def facts_of(source: Source) -> JobFacts:
    plan = source.plan
    return JobFacts(
        description=f"Managed by virtci from {source.path}; change that, not this job.",
        parameters=tuple(
            ParameterFacts(
                name=one.name,
                kind="Choice" if one.choices else "String",
                default="" if one.choices else one.default,
                choices=one.choices,
                description=one.description,
            )
            for one in parameters(plan, source.path)
        ),
        cron=plan.cron,
        poll=plan.poll,
        keep_builds=plan.keep_builds,
        keep_artifacts=plan.keep_artifacts,
        one_at_a_time=True,
        script=jenkinsfile(plan, source.path),
    )


def folder_xml() -> str:
    return render(
        "ci.jenkins",
        "folder.xml.j2",
        description=marked("Managed by virtci", fingerprint("folder")),
    )


def job_xml(facts: JobFacts) -> str:
    return to_xml(facts)


def _parents(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _views(sources: tuple[Source, ...]) -> tuple[View, ...]:
    jobs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for source in sources:
        if source.plan.view:
            jobs[source.plan.folder, source.plan.view].append(source.job.rpartition("/")[2])
    return tuple(
        View(folder, name, tuple(sorted(names))) for (folder, name), names in sorted(jobs.items())
    )


def _locks(sources: tuple[Source, ...]) -> tuple[Lock, ...]:
    labels: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        for name in source.plan.resources:
            labels[name].add(source.plan.lock)
    return tuple(Lock(name, tuple(sorted(found))) for name, found in sorted(labels.items()))
