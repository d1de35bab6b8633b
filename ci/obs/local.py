"""Builder ``osc``: ``osc build`` on this machine, in a build root like the service's own."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import Meta

from ci.errors import InfraError, ProductError, UsageError, VirtciError
from ci.model import Build, Record, Rpm, Tree
from ci.obs.api import connect
from ci.obs.explain import Explanation, as_error, explain
from ci.obs.results import PackageState
from ci.obs.sourcefiles import package_folder, packed_tree
from ci.obs.target import Place, parse_place
from ci.places import cache_folder
from ci.rpmfile import read_package
from ci.run import Step
from ci.shell import STATUS_NOT_FOUND, Argv

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+:-]*$")]
ROOTS = {"clean": ("--clean",), "continue": (), "keep": ()}
OBS_BUILD = ("/usr/lib/obs-build", "/usr/lib/build")
# Options that osc passes and that an obs-build older than 2022 does not know.
NEW_OPTIONS = ("--repos-directory", "--containers-directory")
FILTER = """\
#!/bin/sh
for a; do
    shift
    case "$a" in {cases}) ;; *) set -- "$@" "$a" ;; esac
done
exec {program} {more} "$@"
"""


class OscBuilder(Record, frozen=True, kw_only=True, tag_field="kind", tag="osc"):
    """``[build] kind = "osc"``: against the repositories of ``project``, for ``place``.

    ``commit``, ``spec``, ``files``, ``dist`` as for kind "obs", though nothing is committed.
    ``root``: "clean" makes the build root anew, "keep" brings the old one up to date, "continue"
    uses it as it is. ``trust``: packages of every project in the path are let into the build root;
    else osc trusts those that its configuration names. ``verify``: their signatures are checked.
    Needs the rights that osc build needs.
    """

    apiurl: str = ""
    allow_http: bool = False
    project: Name
    package: Name
    place: Annotated[str, Meta(pattern=r"^[^/\s]+/[^/\s]+$")]
    tree: Literal["packed", "package"] = "packed"
    spec: str = ""
    files: tuple[str, ...] = ()
    dist: tuple[str, ...] = ()
    root: Literal["clean", "keep", "continue"] = "clean"
    trust: bool = False
    verify: bool = True
    needs_tree: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.tree == "packed" and not self.spec:
            raise ValueError('tree = "packed" needs the key "spec"')

    def located(self, base: Path) -> Self:
        spec = str(base / self.spec) if self.spec and (base / self.spec).is_file() else self.spec
        files = tuple(str(base / file) for file in self.files)
        return msgspec.structs.replace(self, spec=spec, files=files)

    def decided(self) -> tuple[str, ...]:
        return (f"osc build for {self.project} {self.place}, build root: {self.root}",)

    def make(self, step: Step, tree: Tree | None) -> Build:
        """Build here. Raises what explains the log when it fails, with the way into the chroot."""
        if tree is None:
            raise UsageError('build.kind "osc" needs a [source]')
        door = connect(self.apiurl, allow_http=self.allow_http)
        place = parse_place(self.place)
        folder = self._lay(step, tree)
        noinit = self.root == "continue"
        job = _Job(step, door.apiurl, self.project, place, folder, self._root(place), noinit)
        log = step.folder / "osc-build.log"
        done = step.shell.run(
            job.argv(self._options()),
            step.deadline,
            cwd=str(folder),
            env=job.environment(),
            log=log,
        )
        if done.status == STATUS_NOT_FOUND:
            raise InfraError("osc is not installed beside virtci", hint="pip install osc")
        if not done.ok:
            raise self._failed(job, log)
        return Build(
            kind="osc",
            revision=tree.revision,
            rpms=job.rpms(),
            log=step.relative(log),
            facts={"project": self.project, "place": str(place), "root": str(job.root)},
        )

    def _options(self) -> Argv:
        trust = ("--trust-all-projects",) if self.trust else ()
        return (*ROOTS[self.root], *trust, *(() if self.verify else ("--no-verify",)))

    def _root(self, place: Place) -> Path:
        name = f"{self.project}-{place.repository}-{place.arch}".replace(":", "_")
        return cache_folder("obs", "roots") / name

    def _lay(self, step: Step, tree: Tree) -> Path:
        """A folder with all files of the package."""
        if self.tree == "package":
            files = package_folder(tree, self.files)
        else:
            files = packed_tree(step, tree, self.spec, self.dist, self.files)
        folder = step.folder / self.package
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        return folder

    def _failed(self, job: _Job, log: Path) -> VirtciError:
        state = PackageState(
            project=self.project,
            repository=job.place.repository,
            arch=job.place.arch,
            package=self.package,
            code="failed",
        )
        told = explain(state, log.read_text(encoding="utf-8", errors="replace"))
        enter = f"look around in it: {shlex.join(job.enter())}"
        more: Explanation = msgspec.structs.replace(told, do=(*told.do, enter))
        return as_error(more, "\n".join((*told.evidence, f"the whole log: {log}")))


@dataclass(frozen=True)
class _Job:
    """One osc build: its arguments and what they name."""

    step: Step
    apiurl: str
    project: str
    place: Place
    folder: Path
    root: Path
    noinit: bool

    @property
    def packages(self) -> Path:
        return self.step.folder / "packages"

    def argv(self, options: Argv) -> Argv:
        shutil.rmtree(self.packages, ignore_errors=True)
        self.packages.mkdir(parents=True)
        specs = sorted(path.name for path in self.folder.glob("*.spec"))
        return (
            *self._osc(),
            "build",
            *options,
            "--local-package",
            f"--alternative-project={self.project}",
            f"--root={self.root}",
            f"--keep-pkgs={self.packages}",
            self.place.repository,
            self.place.arch,
            *specs[:1],
        )

    def rpms(self) -> tuple[Rpm, ...]:
        """What it has built. Raises ProductError when that is nothing."""
        paths = sorted(p for p in self.packages.glob("*.rpm") if not p.name.endswith(".src.rpm"))
        if not paths:
            raise ProductError("osc build ended well and left no binary package")
        return tuple(read_package(self.step.shell, path, self.step.deadline) for path in paths)

    def enter(self) -> Argv:
        """The command that opens a shell in the build root."""
        return (
            "osc",
            "-A",
            self.apiurl,
            "chroot",
            f"--root={self.root}",
            f"--alternative-project={self.project}",
            self.place.repository,
            self.place.arch,
        )

    def _osc(self) -> Argv:
        beside = Path(sys.executable).with_name("osc")
        osc = str(beside) if beside.is_file() else "osc"
        return (osc, "--no-keyring", "-A", self.apiurl)

    def environment(self) -> dict[str, str]:
        build = next((place for place in OBS_BUILD if Path(place, "build").is_file()), "")
        if not build:
            raise InfraError("obs-build is not installed", hint="apt-get install obs-build")
        return {"BUILD_DIR": build, "OSC_BUILD_CMD": str(self._command(Path(build)))}

    def _command(self, build: Path) -> Path:
        """A script for obs-build: without the options that an old one knows not, and with the one
        for an unchanged build root, which osc itself allows in its own checkouts alone."""
        program = build / "build"
        known = program.read_text(errors="replace")
        cases = " | ".join(f"{o}=*" for o in NEW_OPTIONS if o not in known) or "--none-of-them"
        more = "--noinit" if self.noinit else ""
        script = self.step.folder / "obs-build"
        script.write_text(FILTER.format(cases=cases, program=shlex.quote(str(program)), more=more))
        script.chmod(0o755)
        return script
