"""Packages that were built before: kept by all that went into them, and read anew when taken.

A kept build is a folder of the cache, made aside and renamed. What does not hold what its note says
is removed, and the packages are built anew. The oldest go when all take too much room.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from ci.cached import locked, made_once
from ci.codec import from_json, to_json
from ci.errors import UsageError
from ci.model import BUILT_BEFORE, Build, Record, Rpm
from ci.places import cache_folder
from ci.rpmfile import read_package
from ci.run import Step

MOST_BYTES = 2**30
NOTE = "kept.json"
LOG = "rpmbuild.log"


class Kept(Record, frozen=True, kw_only=True):
    """What lies beside kept packages. The path of each is its file's name."""

    run: str
    rpms: tuple[Rpm, ...]


@dataclass(frozen=True)
class KeptBuild:
    """The place in the cache for the packages that one set of inputs gives."""

    step: Step
    key: str

    @property
    def folder(self) -> Path:
        return cache_folder("rpms") / self.key

    def take(self, into: Path) -> Build | None:
        """The packages copied ``into`` a folder, with the log of their build; None: build them."""
        if not self.folder.is_dir():
            return None
        with locked(self.folder, self.step.deadline, say=self.step.say):
            try:
                kept = from_json((self.folder / NOTE).read_bytes(), Kept)
                rpms = tuple(self._copied(rpm, into) for rpm in kept.rpms)
                log = shutil.copyfile(self.folder / LOG, self.step.folder / LOG)
            except (OSError, msgspec.MsgspecError, UsageError) as error:
                self.step.say(f"the packages kept of an earlier build are damaged: {error}")
                self._remove()
                return None
            (self.folder / NOTE).touch()
        self.step.say(f"built before, in run {kept.run}: its packages are taken, checksums fit")
        return Build(
            kind="rpmbuild",
            revision="",
            rpms=rpms,
            log=self.step.relative(log),
            facts={BUILT_BEFORE: kept.run},
        )

    def keep(self, build: Build) -> None:
        """Keep what was built now, in the place of what was there; a full disk is no failure."""
        try:
            with locked(self.folder, self.step.deadline, say=self.step.say):
                self._remove()
            made_once(
                self.folder, partial(self._fill, build), self.step.deadline, say=self.step.say
            )
            make_room(self.folder.parent, but=self.folder)
        except OSError as error:
            self.step.say(f"the packages are not kept for later runs: {error.strerror}")

    def _copied(self, rpm: Rpm, into: Path) -> Rpm:
        """Read anew, so that nothing rests on the note. Raises UsageError when it differs."""
        to = into / rpm.arch / rpm.path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.folder / rpm.path, to)
        found = read_package(self.step.shell, to, self.step.deadline)
        if found != msgspec.structs.replace(rpm, path=str(to)):
            raise UsageError(f"{rpm.path} is another than was built")
        return found

    def _fill(self, build: Build, folder: Path) -> None:
        for rpm in build.rpms:
            shutil.copyfile(rpm.path, folder / Path(rpm.path).name)
        shutil.copyfile(self.step.folder / LOG, folder / LOG)
        named = (msgspec.structs.replace(rpm, path=Path(rpm.path).name) for rpm in build.rpms)
        kept = Kept(run=self.step.run_folder.name, rpms=tuple(named))
        (folder / NOTE).write_bytes(to_json(kept))

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def make_room(kept: Path, *, but: Path, most: int = MOST_BYTES) -> None:
    """Remove the builds that were not taken for longest until the rest takes at most ``most``."""
    notes = sorted(kept.glob(f"[!.]*/{NOTE}"), key=_moment, reverse=True)
    left = most - _size(but)
    for folder in (note.parent for note in notes if note.parent != but):
        left -= _size(folder)
        if left < 0:
            shutil.rmtree(folder, ignore_errors=True)


def _moment(note: Path) -> float:
    try:
        return note.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
