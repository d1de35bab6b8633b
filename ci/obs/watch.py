"""Watch an Open Build Service and start runs on its builds, each exactly once.

Events come from the message bus where there is one; the history of builds is looked at when the
bus was away and every ``every`` seconds, so that a missed event is late and never lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ci.deadline import Deadline
from ci.errors import InfraError, UsageError, VirtciError
from ci.obs import queries
from ci.obs.bus import Listener, listen_to
from ci.obs.catchup import History
from ci.obs.claims import Claim, Claims
from ci.obs.door import Door, Unreachable
from ci.obs.notices import Notice
from ci.obs.results import SETTLED
from ci.obs.rules import Bus, Watch, claim_id
from ci.obs.target import Place
from ci.obs.trigger import Starter

BACK_OFF = (1.0, 2.0, 5.0, 15.0, 60.0)
TURN_SECONDS = 1.0
AGAIN_SECONDS = 30.0
PUBLISHED_EVERY = 2.0


@dataclass
class Watcher:
    """One watcher. ``say`` hears what it does; ``listen`` connects to a bus."""

    watch: Watch
    door: Door
    starter: Starter
    say: Callable[[str], None]
    listen: Callable[[Bus], Listener] = listen_to
    started: list[str] = field(default_factory=list)
    _claimed: int = 0
    _listener: Listener | None = None
    _tries: int = 0
    _retry_at: float = 0.0
    _look_at: float = 0.0
    _again_at: dict[str, float] = field(default_factory=dict)

    def run(self, deadline: Deadline, *, once: bool, since: float = 0.0) -> None:
        """Watch until the deadline, a stop, or with ``once`` until a run was started and ended.

        ``since``: where watching begins now, builds of so many seconds before count too.
        """
        folder = Path(self.watch.state)
        begun = int(deadline.clock.wall() - since)
        history = History.opened(self.door, self.watch.rules, folder, begun)
        claims = Claims(folder / "claims")
        try:
            while not deadline.expired():
                self._connect(deadline)
                self._catch_up(deadline, history, claims)
                self._hear(deadline, claims)
                running = self._work(deadline, claims, most=1 if once else None)
                if once and self.started and not running:
                    return
        finally:
            if self._listener is not None:
                self._listener.close()

    def _connect(self, deadline: Deadline) -> None:
        now = deadline.clock.monotonic()
        if self.watch.bus is None or self._listener is not None or now < self._retry_at:
            return
        try:
            self._listener = self.listen(self.watch.bus)
        except Unreachable as error:
            self._lost(deadline, error)
            return
        self._tries, self._look_at = 0, 0.0  # what was sent meanwhile is in the history
        self.say(f"listening to {self.watch.bus.url}")

    def _lost(self, deadline: Deadline, error: Unreachable) -> None:
        pause = BACK_OFF[min(self._tries, len(BACK_OFF) - 1)]
        self._tries += 1
        self._listener = None
        self._retry_at = deadline.clock.monotonic() + pause
        self.say(f"{error.message}; again in {pause:.0f} s")

    def _catch_up(self, deadline: Deadline, history: History, claims: Claims) -> None:
        now = deadline.clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self.watch.every
        seen: dict[str, int] = {}
        try:
            for notice in history.new(deadline):
                self._claim(claims, notice)
                place = f"{notice.project}|{notice.repository}/{notice.arch}"
                seen[place] = max(seen.get(place, 0), notice.at)
        except Unreachable as error:
            self.say(f"{error.message}; looking again in {self.watch.every:.0f} s")
            return
        if seen:
            history.keep(seen)

    def _hear(self, deadline: Deadline, claims: Claims) -> None:
        """Spend a turn: on the bus, or asleep."""
        until = min(TURN_SECONDS, max(0.01, self._look_at - deadline.clock.monotonic()))
        if self._listener is None:
            deadline.clock.sleep(min(until, deadline.remaining()))
            return
        try:
            for notice in self._listener.listen(until):
                if self._claim(claims, notice):
                    break  # start it now; what else comes is kept for the next turn
        except Unreachable as error:
            self._lost(deadline, error)

    def _claim(self, claims: Claims, notice: Notice) -> bool:
        """Whether it is a new one for any rule."""
        before = self._claimed
        for rule in self.watch.rules:
            if rule.takes(notice):
                claim = Claim(id=claim_id(rule, notice), rule=rule, notice=notice)
                if claims.add(claim):
                    self._claimed += 1
                    what = f"{notice.project}/{notice.package} {notice.repository}/{notice.arch}"
                    self.say(f"{notice.kind}: {what} {notice.versrel}.{notice.bcnt}")
        return self._claimed > before

    def _work(self, deadline: Deadline, claims: Claims, most: int | None) -> int:
        """Start what is claimed, as many at once and as many at all as allowed; how many run."""
        running = self.starter.reap()
        settled: dict[tuple[str, Place], bool] = {}
        for claim in claims.open():
            now = deadline.clock.monotonic()
            if running >= self.watch.together or deadline.expired():
                break
            if most is not None and len(self.started) >= most:
                break
            if now < self._again_at.get(claim.id, 0.0):
                continue
            if claim.rule.published and not self._published(deadline, claim, settled):
                self._again_at[claim.id] = now + PUBLISHED_EVERY
                continue
            running += self._start(deadline, claims, claim)
        return running

    def _start(self, deadline: Deadline, claims: Claims, claim: Claim) -> int:
        with claims.working_on(claim) as held:
            if not held:
                return 0
            try:
                name = self.starter.start(claim, claim.rule.start)
                claims.finish(claim, name)
            except (InfraError, UsageError) as error:
                self._again_at[claim.id] = deadline.clock.monotonic() + AGAIN_SECONDS
                self.say(f"{claim.id} is not started: {_told(error)}; again in 30 s")
                return 0
        self.say(f"started {name}")
        self.started.append(claim.id)
        return int(claim.id in self.starter.children)

    def _published(
        self, deadline: Deadline, claim: Claim, settled: dict[tuple[str, Place], bool]
    ) -> bool:
        """Whether the repository of a claim is published with nothing left to do."""
        notice = claim.notice
        place = Place(repository=notice.repository, arch=notice.arch)
        key = (notice.project, place)
        if key not in settled:
            try:
                found = queries.results(self.door, deadline, notice.project, (), (place,))
            except (InfraError, UsageError):
                return False
            lines = found.repositories if found else ()
            settled[key] = bool(lines) and all(n.code in SETTLED and not n.dirty for n in lines)
        return settled[key]


def _told(error: VirtciError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
