"""One run of rpmbuild in folders of its own: prepared, checked, run, and its packages read."""

from __future__ import annotations

import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ci.build.archive import MOMENT, write_archive
from ci.build.dist import run_dist
from ci.build.inputs import machine_key
from ci.build.kept import KeptBuild
from ci.build.log import diagnose
from ci.build.requires import judge, refuse_missing
from ci.build.spec import SpecSources, meson_version, release_of, stamped, wanted_sources
from ci.codec import fingerprint
from ci.errors import InfraError, ProductError, UsageError
from ci.model import Build, Tree
from ci.places import cache_folder
from ci.rpmfile import INSTALL_RPM, read_package, sha256_of
from ci.run import Step
from ci.shell import STATUS_NOT_FOUND, Argv, Completed

CCACHE_PLACES = ("/usr/lib/ccache", "/usr/lib64/ccache", "/usr/libexec/ccache")
_QUERY_SECONDS = 120.0
_PLAIN_PATH = re.compile(r"[\w./+:@~,=-]+")


@dataclass(frozen=True)
class RpmJob:
    """``options`` are rpmbuild's own; ``sources`` are files for SOURCES beside the tarball."""

    step: Step
    tree: Tree
    options: Argv
    sources: tuple[Path, ...]

    @property
    def top(self) -> Path:
        return self.step.folder / "rpmbuild"

    def make(self, spec: Path, dist: Argv, *, force: bool) -> Build:
        """Build ``spec``, or take what the same inputs gave before unless ``force``.

        Safe to be cut anywhere and called again: it starts from nothing.
        """
        self._refuse_odd_path()
        try:
            self._clear()
            inputs = self._inputs(spec, dist)
            is_rpm_machine = self._is_rpm_machine()
            kept = self._kept(inputs, is_rpm_machine=is_rpm_machine)
            if kept and not force and (build := kept.take(self.top / "RPMS")):
                return msgspec.structs.replace(build, revision=self.tree.revision)
            stamped_spec = self._prepare(spec, dist)
        except OSError as error:
            raise _storage_error(error) from None
        if not is_rpm_machine:
            self._check_requires(stamped_spec)
        self._build(stamped_spec, nodeps=not is_rpm_machine)
        build = self._result()
        if kept:
            kept.keep(build)
        return build

    def _refuse_odd_path(self) -> None:
        if not _PLAIN_PATH.fullmatch(str(self.top)):
            raise UsageError(
                f"rpm cannot build in {self.top}: a space or a special character in its name",
                hint="keep runs in a folder with a plain name",
            )

    def _clear(self) -> None:
        if self.top.exists():
            shutil.rmtree(self.top)
        for name in ("SPECS", "SOURCES", "BUILD", "RPMS", "SRPMS"):
            (self.top / name).mkdir(parents=True)

    def _inputs(self, spec: Path, dist: Argv) -> str:
        """All that the packages come from but this machine, as a key."""
        _, expanded = self._stamp(spec, self._version(spec))
        others = self._others(wanted_sources(expanded), spec.parent)
        files = {name: sha256_of(path) for name, path in others.items() if path.is_file()}
        told = expanded.replace(str(self.top), "")
        return fingerprint(self.tree.digest, told, files, dist, self.options)

    def _kept(self, inputs: str, *, is_rpm_machine: bool) -> KeptBuild | None:
        """Where packages of these inputs are kept; None on a machine that does not tell its own."""
        shell, deadline = self.step.shell, self.step.deadline
        machine = machine_key(shell, deadline, is_rpm_machine=is_rpm_machine)
        return KeptBuild(self.step, fingerprint(inputs, machine)) if machine else None

    def _stamp(self, spec: Path, version: str) -> tuple[Path, str]:
        """The spec that is built, and how rpm reads it."""
        text = _read(spec)
        target = self.top / "SPECS" / spec.name
        release = release_of(text, self.tree)
        target.write_text(stamped(text, version, release), encoding="utf-8")
        return target, self._query(target, "-P")

    def _prepare(self, spec: Path, dist: Argv) -> Path:
        made = run_dist(self.step, Path(self.tree.path), dist) if dist else None
        target, expanded = self._stamp(spec, made.version if made else self._version(spec))
        wanted = wanted_sources(expanded)
        if made and wanted.archive:
            shutil.copyfile(made.path, self.top / "SOURCES" / wanted.archive)
        elif wanted.archive:
            archive = self.top / "SOURCES" / wanted.archive
            write_archive(Path(self.tree.path), archive, wanted.top)
        self._copy_others(wanted, spec.parent)
        return target

    def _version(self, spec: Path) -> str:
        """The source's, else the project's own when the spec is not a part of it, else ""."""
        meson = Path(self.tree.path, "meson.build")
        if self.tree.version or spec.is_relative_to(self.tree.path) or not meson.is_file():
            return self.tree.version
        return meson_version(meson.read_text(encoding="utf-8", errors="replace"))

    def _others(self, wanted: SpecSources, beside: Path) -> dict[str, Path]:
        """Where the spec's other sources are to be, by their names."""
        known = {path.name: path for path in self.sources}
        return {name: known.get(name, beside / name) for name in wanted.others}

    def _copy_others(self, wanted: SpecSources, beside: Path) -> None:
        for name, path in self._others(wanted, beside).items():
            if not path.is_file():
                raise UsageError(
                    f"the spec names {name}, which is neither in build.sources nor beside the spec"
                )
            shutil.copyfile(path, self.top / "SOURCES" / name)

    def _query(self, spec: Path, *question: str) -> str:
        """Ask rpmspec about the spec. Raises ProductError for a spec it cannot parse."""
        argv = ("rpmspec", *question, *self._defines(), *self.options, str(spec))
        done = self.step.shell.run(
            argv, self.step.deadline.within(_QUERY_SECONDS), env={"LC_ALL": "C"}
        )
        _need_rpmbuild(done)
        if not done.ok:
            raise ProductError(
                f"{spec.name} is not a valid spec: {diagnose(done.stderr).cause}",
                detail=done.tail(10),
            )
        return done.stdout

    def _is_rpm_machine(self) -> bool:
        """Whether the packages of this machine are RPMs, so that rpmbuild can check for itself."""
        done = self.step.shell.run(("rpm", "-q", "rpm"), self.step.deadline.within(_QUERY_SECONDS))
        _need_rpmbuild(done)
        return done.ok

    def _check_requires(self, spec: Path) -> None:
        needed = self._query(spec, "-q", "--buildrequires")
        judgement = judge(self.step.shell, needed, self.step.deadline)
        refuse_missing(judgement, spec.name)
        if judgement.unknown:
            self.step.say(f"not checked on this machine: {', '.join(judgement.unknown)}")

    def _build(self, spec: Path, *, nodeps: bool) -> None:
        log = self.step.folder / "rpmbuild.log"
        check = ("--nodeps", f"--define=_dbpath {self.top}/db") if nodeps else ()
        argv = ("rpmbuild", "-bb", *check, *self._defines(), *self.options, str(spec))
        done = self.step.shell.run(argv, self.step.deadline, env=self._environment(), log=log)
        _need_rpmbuild(done)
        if not done.ok:
            raise _build_error(spec.name, done.stdout, log)
        for name in ("BUILD", "BUILDROOT", "SOURCES"):
            shutil.rmtree(self.top / name, ignore_errors=True)

    def _defines(self) -> Argv:
        """Private folders; and nothing of the hour or the machine goes into the packages."""
        texts = (
            f"_topdir {self.top}",
            "_buildhost virtci",
            "use_source_date_epoch_as_buildtime 1",
            "clamp_mtime_to_source_date_epoch 1",
        )
        return tuple(f"--define={text}" for text in texts)

    def _environment(self) -> dict[str, str]:
        """ccache where it is installed; with paths relative, so that another folder hits too."""
        base = {"LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(MOMENT)}
        compilers = next((place for place in CCACHE_PLACES if Path(place).is_dir()), None)
        if compilers is None:
            return base
        return {
            **base,
            "PATH": f"{compilers}:{os.environ.get('PATH', os.defpath)}",
            "CCACHE_DIR": os.environ.get("CCACHE_DIR") or str(cache_folder("ccache")),
            "CCACHE_BASEDIR": str(self.top / "BUILD"),
            "CCACHE_NOHASHDIR": "1",
        }

    def _result(self) -> Build:
        paths = sorted(self.top.glob("RPMS/**/*.rpm"))
        if not paths:
            raise ProductError("rpmbuild ended well but made no package: has the spec %files?")
        return Build(
            kind="rpmbuild",
            revision=self.tree.revision,
            rpms=tuple(read_package(self.step.shell, p, self.step.deadline) for p in paths),
            log=self.step.relative(self.step.folder / "rpmbuild.log"),
        )


def _read(spec: Path) -> str:
    try:
        return spec.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProductError(f"{spec} is not UTF-8 text (byte {error.start})") from None


def _need_rpmbuild(done: Completed) -> None:
    if done.status == STATUS_NOT_FOUND:
        raise InfraError(
            f"{done.argv[0]} is not installed on this machine",
            hint=f"{INSTALL_RPM}; on openSUSE: zypper install rpm-build",
        )


def _build_error(spec: str, log: str, path: Path) -> ProductError | InfraError:
    """The class says who is to blame, by what the log tells."""
    found = diagnose(log)
    detail = "\n".join(found.lines)
    hint = f"the whole log: {path}"
    if found.lab:
        return InfraError(f"{spec} did not build: {found.lab}", hint=hint, detail=detail)
    where = f" in {found.section}" if found.section else ""
    if "is needed by" in detail:
        return InfraError(
            f"{spec} needs what this machine lacks", hint="install what is named", detail=detail
        )
    return ProductError(f"{spec} does not build{where}: {found.cause}", hint=hint, detail=detail)


def _storage_error(error: OSError) -> InfraError:
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    hint = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return InfraError(f"the build cannot be prepared: {what}", hint=hint)
