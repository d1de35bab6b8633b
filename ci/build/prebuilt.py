"""Builder ``prebuilt``: packages that somebody else made; they are looked at, never changed."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated, ClassVar, Self

import msgspec
from msgspec import Meta

from ci.errors import UsageError
from ci.model import Build, Record, Rpm, Tree
from ci.rpmfile import check_whole, looks_like_package, read_package
from ci.run import Step


class PrebuiltBuilder(Record, frozen=True, kw_only=True, tag_field="kind", tag="prebuilt"):
    """``rpms``: package files, folders that hold some (source packages there are left out), globs.

    Relative ones lie beside the plan.
    """

    rpms: Annotated[tuple[str, ...], Meta(min_length=1)]
    needs_tree: ClassVar[bool] = False

    def located(self, base: Path) -> Self:
        return msgspec.structs.replace(self, rpms=tuple(str(base / rpm) for rpm in self.rpms))

    def decided(self) -> tuple[str, ...]:
        return tuple(f"take the packages {rpm}" for rpm in self.rpms)

    def make(self, step: Step, tree: Tree | None) -> Build:
        """Read every package. Raises UsageError for what is missing, damaged or there twice."""
        paths = sorted({path for place in self.rpms for path in _packages(place)})
        rpms = tuple(_checked(step, path) for path in paths)
        _refuse_twins(rpms)
        return Build(kind="prebuilt", revision=tree.revision if tree else "", rpms=rpms)


def _packages(place: str) -> list[Path]:
    if Path(place).is_file():
        return [Path(place)]
    pattern = f"{glob.escape(place)}/*.rpm" if Path(place).is_dir() else place
    found = [Path(name) for name in glob.glob(pattern)]  # noqa: PTH207 - absolute patterns
    if kept := [path for path in found if not path.name.endswith((".src.rpm", ".nosrc.rpm"))]:
        return kept
    raise UsageError(
        f"{place}: no package there",
        hint="build.rpms takes files, folders with *.rpm in them, and patterns such as out/*.rpm",
    )


def _checked(step: Step, path: Path) -> Rpm:
    try:
        if not looks_like_package(path):
            raise UsageError(f"{path} is not an RPM package")
        check_whole(step.shell, path, step.deadline)
        return read_package(step.shell, path, step.deadline)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _refuse_twins(rpms: tuple[Rpm, ...]) -> None:
    seen: dict[tuple[str, str], Rpm] = {}
    for rpm in rpms:
        twin = seen.setdefault((rpm.name, rpm.arch), rpm)
        if twin is not rpm:
            raise UsageError(
                f"two packages of the same name: {Path(twin.path).name} and {Path(rpm.path).name}",
                hint="keep one of them in build.rpms; which should be installed cannot be guessed",
            )
