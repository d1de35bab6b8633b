"""What is another than in the run before: which built files have another build-id."""

from __future__ import annotations

from pathlib import Path

from ci.errors import VirtciError
from ci.model import Build, Record
from ci.report.loading import load
from ci.report.results import RunResults


class BuildChange(Record, frozen=True, kw_only=True):
    """``files`` of ``total`` differ from those that run ``run`` built."""

    run: str
    files: tuple[str, ...]
    total: int

    def sentence(self) -> str:
        names = ", ".join(path.rsplit("/", 1)[-1] for path in self.files)
        if not self.files:
            return f"all {self.total} built files are those of {self.run}"
        if len(self.files) == 1:
            return f"of {self.total} built files only {names} is another than in {self.run}"
        many = f"{len(self.files)} of {self.total} built files"
        return f"{many} are others than in {self.run}: {names}"


def change_since_before(results: RunResults) -> BuildChange | None:
    """Compare with the newest earlier run beside this one that built the same packages."""
    folder = Path(results.folder)
    if results.build is None or not (now := _build_ids(results.build)):
        return None
    for other in sorted(folder.parent.glob("*/journal.jsonl"), reverse=True):
        if other.parent.name >= folder.name or (then := _read(other.parent)) is None:
            continue
        if _names(then) == _names(results.build) and (before := _build_ids(then)):
            paths = sorted(now.keys() | before.keys())
            files = tuple(path for path in paths if now.get(path) != before.get(path))
            return BuildChange(run=other.parent.name, files=files, total=len(now))
    return None


def _read(folder: Path) -> Build | None:
    try:
        return load(folder).build
    except VirtciError:
        return None


def _names(build: Build) -> set[str]:
    return {rpm.name for rpm in build.rpms}


def _build_ids(build: Build) -> dict[str, str]:
    return {
        file.path: file.build_id for rpm in build.rpms if not rpm.debug for file in rpm.build_ids
    }
