"""Fetch what was built: each file whole, with the size and checksum that the service tells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ci.errors import InfraError, ProductError, UsageError
from ci.model import Rpm
from ci.obs import queries
from ci.obs.door import Door
from ci.obs.results import Binary
from ci.obs.target import Package, Place
from ci.rpmfile import check_whole, read_package
from ci.run import Step

_NO_SOURCE = (".src.rpm", ".nosrc.rpm")


@dataclass(frozen=True)
class Fetch:
    """Which binaries: of a package in a place, into a folder."""

    door: Door
    package: Package
    place: Place
    folder: Path

    def rpms(self, step: Step) -> tuple[Rpm, ...]:
        """Fetch every binary package. What is there and whole already is not fetched again.

        Raises ProductError when there is none, InfraError when one stays damaged.
        """
        listed = queries.binaries(self.door, step.deadline, self.package, self.place)
        wanted = [b for b in listed if b.name.endswith(".rpm") and not b.name.endswith(_NO_SOURCE)]
        if not wanted:
            raise ProductError(
                f"{self.package} built in {self.place} and left no binary package",
                hint="has the spec a %files section?",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in set(self.folder.glob("*.rpm")) - {self.folder / b.name for b in wanted}:
            left.unlink()
        return tuple(self._one(step, binary) for binary in wanted)

    def _one(self, step: Step, binary: Binary) -> Rpm:
        if "/" in binary.name or binary.name.startswith("."):
            raise InfraError(f"{self.door.apiurl} lists a file with the odd name {binary.name!r}")
        target = self.folder / binary.name
        if not (target.is_file() and _damage(target, binary) == ""):
            self._get(step, binary, target)
        return read_package(step.shell, target, step.deadline)

    def _get(self, step: Step, binary: Binary, target: Path) -> None:
        place = f"{self.place.repository}/{self.place.arch}"
        path = f"/build/{self.package.project}/{place}/{self.package.package}/{binary.name}"
        size = self.door.download(path, target, step.deadline)
        if damage := _damage(target, binary):
            target.unlink()
            raise InfraError(f"{binary.name} came damaged from {self.door.apiurl}: {damage}")
        try:
            check_whole(step.shell, target, step.deadline)
        except UsageError as error:
            target.unlink()
            raise InfraError(error.message, detail=error.detail) from None
        step.say(f"fetched {binary.name} ({size} bytes)")


def _damage(path: Path, binary: Binary) -> str:
    size = path.stat().st_size
    if size != binary.size:
        return f"{size} bytes instead of {binary.size}"
    if binary.md5:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 != binary.md5:
            return f"its md5 is {md5} instead of {binary.md5}"
    return ""
