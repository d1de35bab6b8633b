"""Builder ``obs``: commit to a project of an Open Build Service, wait, fetch the packages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import Meta

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError
from ci.model import Build, Record, Tree
from ci.obs import project, queries
from ci.obs.api import connect
from ci.obs.build_run import BuildRun
from ci.obs.commit import Committed, commit, run_service
from ci.obs.door import Door
from ci.obs.explain import as_error, explain
from ci.obs.results import PackageState
from ci.obs.sourcefiles import package_folder, packed_tree
from ci.obs.target import Package, parse_package, parse_place
from ci.run import Step

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+:-]*$")]
Target = Annotated[str, Meta(pattern=r"^[^/\s]+/[^/\s]+$")]
TIDY_SECONDS = 60.0


class ObsBuilder(Record, frozen=True, kw_only=True, tag_field="kind", tag="obs"):
    """``[build] kind = "obs"``.

    ``apiurl``: the instance; empty: osc's own first one. ``allow_http`` allows plain http.
    ``places``: REPOSITORY/ARCH to build for; the packages of those in ``fetch`` (by default the
    first one) are what the build gives. ``commit``: "packed" (the tree is packed as ``spec``
    wants), "package" (the tree is a folder of spec, tarball, patches), "none" (what is there).
    ``files`` are committed besides. ``branch_from`` branches another package; ``create`` makes
    what is missing; ``presubmit`` works in a project of its own that is removed afterwards.
    ``force`` builds again even if nothing changed; ``published`` waits for the repository;
    ``log`` shows the build log as it grows.
    """

    apiurl: str = ""
    allow_http: bool = False
    project: Name
    package: Name
    places: Annotated[tuple[Target, ...], Meta(min_length=1)]
    fetch: tuple[Target, ...] = ()
    commit: Literal["packed", "package", "none"] = "packed"
    spec: str = ""
    files: tuple[str, ...] = ()
    dist: tuple[str, ...] = ()
    message: str = "{revision}"
    branch_from: Annotated[str, Meta(pattern=r"^([^/\s]+/[^/\s]+)?$")] = ""
    create: bool = False
    presubmit: bool = False
    force: bool = False
    published: bool = False
    log: bool = False
    needs_tree: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not set(self.fetch) <= set(self.places):
            raise ValueError("fetch names a place that is not in places")
        if self.commit == "packed" and not self.spec:
            raise ValueError('commit = "packed" needs the key "spec"')

    def located(self, base: Path) -> Self:
        """The spec stays relative, to the tree, unless it lies beside the plan."""
        spec = str(base / self.spec) if self.spec and (base / self.spec).is_file() else self.spec
        files = tuple(str(base / file) for file in self.files)
        return msgspec.structs.replace(self, spec=spec, files=files)

    def decided(self) -> tuple[str, ...]:
        where = self.apiurl or "osc's own instance"
        made = (f"branch {self.branch_from}",) if self.branch_from else ()
        scratch = ("in a project of its own, removed afterwards",) if self.presubmit else ()
        committed = {
            "packed": (f"commit {self.spec} and the tree as its source",),
            "package": ("commit the files of the tree",),
            "none": (),
        }[self.commit]
        return (
            f"build {self.project}/{self.package} for {', '.join(self.places)} at {where}",
            *made,
            *scratch,
            *committed,
            f"fetch the packages of {', '.join(self._fetched())}",
        )

    def make(self, step: Step, tree: Tree | None) -> Build:
        """Commit what changed, wait for the builds, fetch. Safe to be cut and called again.

        Raises ProductError with the explanation of a build that did not come out, InfraError
        when the service or its projects are to blame, UsageError for a plan that does not fit.
        """
        door = connect(self.apiurl, allow_http=self.allow_http)
        for gone in project.sweep(door, step.deadline):
            step.say(f"removed {gone}, left over from a run that was killed")
        with self._target(step, door) as package:
            committed = self._commit(step, door, package, tree)
            run = BuildRun(
                step=step,
                door=door,
                package=package,
                places=tuple(parse_place(place) for place in self.places),
                force=self.force,
                log=self.log,
            )
            built = run.wait()
            if self.published:
                run.wait_published()
            revision = tree.revision if tree else committed.rev
            return run.fetch(tuple(map(parse_place, self._fetched())), built, revision, committed)

    def _fetched(self) -> tuple[str, ...]:
        return self.fetch or self.places[:1]

    @contextlib.contextmanager
    def _target(self, step: Step, door: Door) -> Iterator[Package]:
        """The package to build, made if told to; what is for this run alone goes afterwards."""
        plain = Package(project=self.project, package=self.package)
        if not self.presubmit:
            self._make(step, door, plain, base="")
            yield plain
            return
        own = f"home:{door.user}:virtci:{step.run_folder.name}"
        package = Package(project=own, package=self.package)
        note = project.note(door, own)
        try:
            self._make(step, door, package, base=self.project)
            yield package
        finally:
            # an own deadline: this is for the next one, whatever became of this build
            project.remove(door, Deadline.after(TIDY_SECONDS, step.deadline.clock), own)
            note.unlink(missing_ok=True)

    def _make(self, step: Step, door: Door, package: Package, *, base: str) -> None:
        places = tuple(parse_place(place) for place in self.places)
        if base:
            project.create_project(door, step.deadline, package.project, base, places)
        if self.branch_from:
            project.branch(door, step.deadline, parse_package(self.branch_from), package)
        elif self.create or base:
            if not base and not queries.exists(door, step.deadline, package.project):
                project.create_empty_project(door, step.deadline, package.project)
            project.create_package(door, step.deadline, package)
        else:
            project.need_package(door, step.deadline, package)

    def _commit(self, step: Step, door: Door, package: Package, tree: Tree | None) -> Committed:
        if self.commit == "none" or tree is None:
            if self.commit != "none":
                raise UsageError(
                    f'build.commit = "{self.commit}" needs a [source]',
                    hint='commit = "none" builds what is in the project already',
                )
            now = queries.source_info(door, step.deadline, package)
            return Committed(rev=now.rev, srcmd5=now.srcmd5, changed=())
        if self.commit == "package":
            files = package_folder(tree, self.files)
        else:
            files = packed_tree(step, tree, self.spec, self.dist, self.files)
        message = self.message.replace("{revision}", tree.revision)
        done = commit(door, step.deadline, package, files, message)
        step.say(f"revision {done.rev} of {package}: {', '.join(done.changed) or 'nothing new'}")
        if "_service" in files:
            self._run_service(step, door, package)
        return done

    def _run_service(self, step: Step, door: Door, package: Package) -> None:
        step.say("waiting for the source service")
        ran = run_service(door, step.deadline, package)
        if ran.service == "failed":
            place = parse_place(self.places[0])
            state = PackageState(
                project=package.project,
                repository=place.repository,
                arch=place.arch,
                package=package.package,
                code="broken",
                details=f"service error: {ran.service_error}",
            )
            raise as_error(explain(state), ran.service_error)
        if ran.service == "running":
            raise InfraError(f"the source service of {package} does not end")
