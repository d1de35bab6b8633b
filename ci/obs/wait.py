"""Wait for builds: one question for all packages, never fooled by an answer about older sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted, TimedOut
from ci.obs import queries
from ci.obs.door import Door
from ci.obs.results import SETTLED, Built, PackageState, Results
from ci.obs.target import Package, Place

ASK_SECONDS = 10.0  # how long the service may hold an answer back; a stop is noticed after that
TICK_SECONDS = 2.0
# Between questions, so that many packages, of which some always change, are no flood of requests.
PAUSE_SECONDS = 0.5
PAUSE_FOR_EACH = 0.05
TRIED = frozenset({"succeeded", "failed"})


@dataclass(frozen=True)
class Wanted:
    """What has to be built: a package in a place, from these sources, begun after a moment.

    ``verifymd5`` names the content: builds of other revisions with the same content count.
    """

    package: str
    place: Place
    srcmd5: str
    verifymd5: str = ""
    after: int = 0

    def is_met_by(self, built: Built) -> bool:
        same = self.srcmd5 == built.srcmd5 or bool(
            self.verifymd5 and self.verifymd5 == built.verifymd5
        )
        return same and built.package == self.package and built.started > self.after


@dataclass(frozen=True)
class Ended:
    """The final state of what was wanted; ``built`` is None where no build was tried."""

    wanted: Wanted
    state: PackageState
    built: Built | None


@dataclass
class Waiter:
    """Waits for all of ``wanted`` in one project; ``say`` hears of every change of state.

    ``tick``, where given, is called every few seconds in between; ``more`` is asked what else there
    is to say of a new state.
    """

    door: Door
    deadline: Deadline
    project: str
    wanted: tuple[Wanted, ...]
    say: Callable[[str], None]
    tick: Callable[[], None] | None = None
    more: Callable[[PackageState], str] | None = None
    _told: dict[Wanted, str] = field(default_factory=dict)
    _ended: dict[Wanted, Ended] = field(default_factory=dict)

    def wait(self) -> tuple[Ended, ...]:
        """Raises TimedOut, naming what is not final, and Interrupted."""
        since = ""
        while True:
            results = self._ask(since)
            if results is not None:
                self._look(results)
                since = results.state
            if len(self._ended) == len(self.wanted):
                return tuple(self._ended[one] for one in self.wanted)
            self._check()
            if self.tick is not None:
                self.tick()
            self.deadline.clock.sleep(min(self._pause(), self.deadline.remaining()))

    def _open(self) -> tuple[Wanted, ...]:
        return tuple(one for one in self.wanted if one not in self._ended)

    def _ask(self, since: str) -> Results | None:
        return queries.results(
            self.door,
            self.deadline,
            self.project,
            tuple(dict.fromkeys(one.package for one in self.wanted)),
            tuple(dict.fromkeys(one.place for one in self.wanted)),
            since=since,
            seconds=min(self._silence(), max(0.1, self.deadline.remaining())),
        )

    def _pause(self) -> float:
        return min(PAUSE_SECONDS, PAUSE_FOR_EACH * len(self._open()))

    def _silence(self) -> float:
        return ASK_SECONDS if self.tick is None else TICK_SECONDS

    def _look(self, results: Results) -> None:
        states = {(s.package, s.repository, s.arch): s for s in results.packages}
        tried: dict[Place, list[tuple[Wanted, PackageState]]] = {}
        for one in self._open():
            state = states.get((one.package, one.place.repository, one.place.arch))
            if state is None:
                continue
            self._tell(one, state)
            if state.final and state.code not in TRIED:
                # nothing was built that could be compared; there ``dirty`` alone tells
                self._ended[one] = Ended(one, state, None)
            elif state.final:
                tried.setdefault(one.place, []).append((one, state))
        for place, ones in tried.items():
            self._prove(place, ones)

    def _prove(self, place: Place, ones: list[tuple[Wanted, PackageState]]) -> None:
        """Take a final state only with a build of the wanted sources; else the answer is stale."""
        names = tuple(one.package for one, _ in ones)
        history = queries.job_history(
            self.door, self.deadline, self.project, place, packages=names, limit=4 * len(names)
        )
        newest = {built.package: built for built in history}
        for one, state in ones:
            built = newest.get(one.package)
            if built is not None and one.is_met_by(built):
                self._ended[one] = Ended(one, state, built)

    def _tell(self, one: Wanted, state: PackageState) -> None:
        text = f"{one.package} {one.place}: {state.code}"
        if self._told.get(one) == text:
            return
        self._told[one] = text
        details = state.details if self.more is None else self.more(state)
        self.say(f"{text} ({details})" if details and not state.final else text)

    def _check(self) -> None:
        if self.deadline.stopped():
            raise Interrupted(f"stopped while {self.project} was building")
        if self.deadline.expired():
            first, *more = (
                self._told.get(one, f"{one.package} {one.place}") for one in self._open()
            )
            late = self._open()[0]
            raise TimedOut(
                f"{self.project}: not built in time: {first}"
                + (f", and {len(more)} more" if more else ""),
                hint=f"virtci obs why {self.project}/{late.package} {late.place}",
            )


def wait_published(
    door: Door,
    deadline: Deadline,
    project: str,
    places: tuple[Place, ...],
    say: Callable[[str], None],
) -> None:
    """Wait until the repositories are published. Raises TimedOut, InfraError when one is broken."""
    told = since = ""
    while True:
        results = queries.results(
            door, deadline, project, (), places, since=since, seconds=ASK_SECONDS
        )
        if results is not None:
            since = results.state
            lines = [r for r in results.repositories if _place(r) in places]
            if _published(project, lines):
                return
            text = ", ".join(f"{line.where} {line.code}" for line in lines)
            if text != told:
                say(told := text)
        deadline.check(f"{project} to be published")
        deadline.clock.sleep(min(PAUSE_SECONDS, deadline.remaining()))


def _place(line: PackageState) -> Place:
    return Place(repository=line.repository, arch=line.arch)


def _published(project: str, lines: list[PackageState]) -> bool:
    if broken := next((line for line in lines if line.code == "broken"), None):
        raise InfraError(f"{project} {broken.where} cannot be published: {broken.details}")
    return bool(lines) and all(line.code in SETTLED and not line.dirty for line in lines)


def last_started(door: Door, deadline: Deadline, package: Package, place: Place) -> int:
    """When the newest build of a package began (seconds since the epoch; 0: never built)."""
    history = queries.job_history(
        door, deadline, package.project, place, packages=(package.package,), limit=1
    )
    return history[-1].started if history else 0
