"""One build of a package in several places: begun if need be, watched, judged, fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ci.errors import InfraError, UsageError, VirtciError
from ci.model import Build
from ci.obs import queries
from ci.obs.commit import Committed
from ci.obs.door import Door
from ci.obs.explain import as_error, explain
from ci.obs.fetch import Fetch
from ci.obs.follow import LogFollower
from ci.obs.live import more_of, told_build
from ci.obs.results import PackageState
from ci.obs.target import Package, Place
from ci.obs.wait import Ended, Waiter, Wanted, last_started, wait_published
from ci.obs.why import Why, why
from ci.obs.why_text import text_of
from ci.run import Step

GOOD = frozenset({"succeeded"})


@dataclass(frozen=True)
class BuildRun:
    """A package whose sources are committed. ``log`` shows the build log of the first place."""

    step: Step
    door: Door
    package: Package
    places: tuple[Place, ...]
    force: bool
    log: bool

    def wait(self) -> tuple[Ended, ...]:
        """Wait for every place. Raises what explains the first one that did not come out."""
        ended = self._waiter(self._wanted()).wait()
        for one in ended:
            if one.state.code not in GOOD:
                raise self._explained(one.state)
            if one.built is not None:
                self.step.say(f"{one.wanted.place}: {told_build(one.built)}")
        return ended

    def _wanted(self) -> tuple[Wanted, ...]:
        """The builds of what is committed now; of a forced one only the next counts."""
        now = queries.source_info(self.door, self.step.deadline, self.package)
        after = self._rebuild() if self.force else dict.fromkeys(self.places, 0)
        return tuple(
            Wanted(
                package=self.package.package,
                place=place,
                srcmd5=now.srcmd5,
                verifymd5=now.verifymd5,
                after=after[place],
            )
            for place in self.places
        )

    def _waiter(self, wanted: tuple[Wanted, ...]) -> Waiter:
        follower = LogFollower(self.door, self.step, self.package, self.places[0])
        return Waiter(
            self.door,
            self.step.deadline,
            self.package.project,
            wanted,
            follower.say if self.log else self.step.say,
            follower.show if self.log else None,
            lambda state: more_of(self.door, self.step.deadline, state),
        )

    def wait_published(self) -> None:
        project = self.package.project
        wait_published(self.door, self.step.deadline, project, self.places, self.step.say)

    def fetch(
        self, places: tuple[Place, ...], ended: tuple[Ended, ...], revision: str, done: Committed
    ) -> Build:
        """The packages of ``places`` with the facts that prove where they are from."""
        rpms = tuple(
            rpm
            for place in places
            for rpm in Fetch(self.door, self.package, place, self._folder(place)).rpms(self.step)
        )
        log = self._keep_log(places[0])
        return Build(
            kind="obs",
            revision=revision,
            rpms=rpms,
            log=log,
            facts={"project": str(self.package), "rev": done.rev, **_facts(ended)},
        )

    def _folder(self, place: Place) -> Path:
        return self.step.folder / "rpms" / f"{place.repository}-{place.arch}"

    def _rebuild(self) -> dict[Place, int]:
        """Ask for a build anew; what was begun before this moment does not count."""
        before = {
            p: last_started(self.door, self.step.deadline, self.package, p) for p in self.places
        }
        for place in self.places:
            query = (
                ("cmd", "rebuild"),
                ("package", self.package.package),
                ("repository", place.repository),
                ("arch", place.arch),
            )
            path = f"/build/{self.package.project}"
            self.door.call("POST", path, self.step.deadline, query=query, repeat=True)
        return before

    def _keep_log(self, place: Place) -> str:
        path = self.step.folder / "build.log"
        path.write_text(
            queries.build_log(self.door, self.step.deadline, self.package, place),
            encoding="utf-8",
        )
        return self.step.relative(path)

    def _explained(self, state: PackageState) -> VirtciError:
        place = Place(repository=state.repository, arch=state.arch)
        if state.code == "failed":
            self._keep_log(place)
        try:
            answer = why(self.door, self.step.deadline, self.package, state)
        except (InfraError, UsageError):
            answer = Why(explain(state))
        return as_error(answer.explanation, text_of(answer))


def _facts(ended: tuple[Ended, ...]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for one in ended:
        if (built := one.built) is not None:
            facts |= {
                "srcmd5": built.srcmd5,
                f"build {one.wanted.place}": built.release,
                f"worker {one.wanted.place}": built.worker,
            }
    return facts
