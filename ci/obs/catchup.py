"""Catch up from the history of builds: what no event told, or told while nobody listened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from ci.codec import from_json, to_json
from ci.deadline import Deadline
from ci.model import Record
from ci.obs import queries
from ci.obs.door import Door, NotThere
from ci.obs.notices import Notice, notice_of_build
from ci.obs.results import Built, PackageState
from ci.obs.rules import Rule
from ci.obs.sources import parse_project_meta
from ci.obs.target import Place

FIRST = 50
MOST = 5000
OVERLAP_SECONDS = 3600  # a build may get into the history long after it ended


class Mark(Record, frozen=True, kw_only=True):
    """Up to when the builds of each place are known; ``begun`` is when watching began."""

    begun: int
    seen: dict[str, int] = {}


@dataclass
class History:
    """The builds of all projects that the rules name, since watching began."""

    door: Door
    rules: tuple[Rule, ...]
    file: Path
    mark: Mark

    @classmethod
    def opened(cls, door: Door, rules: tuple[Rule, ...], folder: Path, now: int) -> History:
        """With the mark of before; the first time builds before ``now`` do not count."""
        file = folder / "mark.json"
        mark = from_json(file.read_bytes(), Mark) if file.is_file() else Mark(begun=now)
        history = cls(door, rules, file, mark)
        history.keep(mark.seen)
        return history

    def new(self, deadline: Deadline, projects: tuple[str, ...] = ()) -> Iterator[Notice]:
        """What was built since the marks, oldest first in each place.

        Call ``keep`` when all of it is claimed.
        """
        for project in projects or self.projects(deadline):
            for place in self._places(deadline, project):
                yield from self._of_place(deadline, project, place)

    def keep(self, seen: dict[str, int]) -> None:
        """Move the marks to these moments, durably."""
        self.mark = msgspec.structs.replace(self.mark, seen={**self.mark.seen, **seen})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        new.write_bytes(to_json(self.mark))
        new.replace(self.file)

    def projects(self, deadline: Deadline) -> tuple[str, ...]:
        """Every project that a rule names; globs are looked up."""
        globs = {rule.project for rule in self.rules}
        plain = {name for name in globs if not set(name) & set("*?[")}
        if plain == globs:
            return tuple(sorted(plain))
        known = (entry.name for entry in queries.names(self.door, deadline, "/source"))
        found = {n for n in known if any(fnmatchcase(n, glob) for glob in globs)}
        return tuple(sorted(found | plain))

    def _places(self, deadline: Deadline, project: str) -> tuple[Place, ...]:
        try:
            meta = self.door.call("GET", f"/source/{project}/_meta", deadline)
        except NotThere:
            return ()  # it may be made later
        rules = [rule for rule in self.rules if fnmatchcase(project, rule.project)]
        return tuple(
            Place(repository=repository, arch=arch)
            for repository, arch in parse_project_meta(meta).places
            if any(rule.may_take(repository, arch) for rule in rules)
        )

    def _of_place(self, deadline: Deadline, project: str, place: Place) -> Iterator[Notice]:
        since = self.mark.seen.get(f"{project}|{place}", self.mark.begun) - OVERLAP_SECONDS
        state = PackageState(
            project=project, repository=place.repository, arch=place.arch, package="", code=""
        )
        for built in self._since(deadline, project, place, max(since, self.mark.begun)):
            if (notice := notice_of_build(state, built)) is not None:
                yield notice

    def _since(
        self, deadline: Deadline, project: str, place: Place, since: int
    ) -> tuple[Built, ...]:
        """Ask for more and more until what comes is older than wanted."""
        limit = FIRST
        while True:
            try:
                history = queries.job_history(self.door, deadline, project, place, limit=limit)
            except NotThere:
                return ()
            whole = len(history) < limit or history[0].ended < since or limit >= MOST
            if whole:
                return tuple(built for built in history if built.ended >= since)
            limit *= 4
