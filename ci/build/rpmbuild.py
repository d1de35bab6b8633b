"""Builder ``rpmbuild``: the tree becomes a tarball, the spec is stamped, rpmbuild builds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, ClassVar, Self

import msgspec
from msgspec import Meta

from ci.build.rpm_job import RpmJob
from ci.errors import UsageError
from ci.model import Build, Record, Tree
from ci.run import Step

Condition = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
Macro = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{2,}$")]


class RpmbuildBuilder(Record, frozen=True, kw_only=True, tag_field="kind", tag="rpmbuild"):
    """``[build] kind = "rpmbuild"``.

    ``spec``: beside the plan, else in the tree; by default the only \\*.spec at the tree's top.
    ``sources``: files beside the plan that the spec names besides the tree's tarball.
    ``dist``: a command, run in a copy of the tree, that makes the tarball; else the tree is packed.
    ``defines``, ``with``, ``without``: as for rpmbuild. ``jobs``: 0 is one per processor.
    ``force``: build even if the same was built before; else those packages are taken.
    ``beside``: digests of the files beside the plan, filled in here, so that a changed one counts.
    """

    spec: str = ""
    sources: tuple[str, ...] = ()
    dist: tuple[str, ...] = ()
    defines: dict[Macro, str] = {}
    with_: Annotated[tuple[Condition, ...], Meta()] = msgspec.field(default=(), name="with")
    without: tuple[Condition, ...] = ()
    jobs: Annotated[int, Meta(ge=0, le=1024)] = 0
    force: bool = False
    beside: dict[str, str] = {}
    needs_tree: ClassVar[bool] = True

    def located(self, base: Path) -> Self:
        """The spec stays relative, to the tree, unless it lies beside the plan."""
        spec = str(base / self.spec) if self.spec and (base / self.spec).is_file() else self.spec
        sources = tuple(str(base / source) for source in self.sources)
        beside = {path: _digest(path) for path in (spec, *sources) if Path(path).is_absolute()}
        return msgspec.structs.replace(self, spec=spec, sources=sources, beside=beside)

    def decided(self) -> tuple[str, ...]:
        origin = self.spec or "the only *.spec at the top of the tree"
        source = " ".join(self.dist) or "the tree as it is"
        before = () if self.force else ("unless the same was built before: its packages then",)
        return (
            f"rpmbuild -bb of {origin}, its Release stamped with the revision",
            *before,
            f"tarball: {source}",
            *(f"define {name} {value}" for name, value in sorted(self.defines.items())),
            *(f"with {name}" for name in self.with_),
            *(f"without {name}" for name in self.without),
        )

    def make(self, step: Step, tree: Tree | None) -> Build:
        """Build packages of ``tree``; the folder ``rpmbuild`` of the step is made anew.

        Raises ProductError when the code or the spec is to blame, InfraError when this machine is
        (no rpmbuild, missing BuildRequires, disk full), UsageError for a plan that does not fit.
        """
        if tree is None:
            raise UsageError('build.kind "rpmbuild" needs a [source]')
        job = RpmJob(step=step, tree=tree, options=self._options(), sources=self._files())
        return job.make(self._spec(Path(tree.path)), self.dist, force=self.force)

    def _options(self) -> tuple[str, ...]:
        parallel = (f"_smp_mflags -j{self.jobs}", f"_smp_build_ncpus {self.jobs}")
        defines = [f"{name} {value}" for name, value in sorted(self.defines.items())]
        return (
            *(f"--with={name}" for name in self.with_),
            *(f"--without={name}" for name in self.without),
            *(f"--define={text}" for text in (*defines, *(parallel if self.jobs else ()))),
        )

    def _files(self) -> tuple[Path, ...]:
        for source in self.sources:
            if not Path(source).is_file():
                raise UsageError(f"build.sources: {source}: no such file")
        return tuple(Path(source) for source in self.sources)

    def _spec(self, tree: Path) -> Path:
        if self.spec:
            if (path := tree / self.spec).is_file():
                return path
            raise UsageError(
                f"build.spec: {self.spec} is neither beside the plan nor in the tree {tree}"
            )
        found = sorted(tree.glob("*.spec"))
        if len(found) == 1:
            return found[0]
        names = ", ".join(path.name for path in found) or "none"
        raise UsageError(f"build.spec is needed: specs at the top of the tree: {names}")


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError:
        return ""
