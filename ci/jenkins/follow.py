"""One order to its end: queue, build, console, result; through restarts and lost queue ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted, TimedOut
from ci.jenkins import orders
from ci.jenkins.api import Away, Refused, job_path
from ci.jenkins.console import Cursor, advance
from ci.jenkins.controller import Chunk, Controller, Order
from ci.jenkins.patience import Patience
from ci.jenkins.seen import BuildState, QueueItem, Stage

FASTEST, SLOWEST = 1.0, 10.0
STAGES_EVERY, STAGES_WHEN_SILENT = 10.0, 30.0
REASON_AFTER, REASON_EVERY = 15.0, 60.0
UNKNOWN = -1


class Audience(Protocol):
    """Who is told how an order goes."""

    def waits(self, why: str) -> None:
        """It cannot go on yet, and why."""

    def started(self, number: int, url: str) -> None:
        """It is a build now."""

    def printed(self, text: str) -> None:
        """New whole lines of the console."""

    def stage(self, stage: Stage) -> None:
        """A stage began, or ended."""

    def told(self, text: str) -> None:
        """Something about the controller itself."""


@dataclass(frozen=True)
class Follower:
    """Follows orders for one job until ``deadline``."""

    controller: Controller
    job: str
    audience: Audience
    deadline: Deadline

    def place(self, parameters: Mapping[str, str], first: int, *, parameterised: bool) -> Order:
        """Ask for a build; ``first`` is the number that the job's next build would have.

        An order whose answer was lost is looked for before it is placed again, so that one call
        never makes two builds.
        """
        while True:
            try:
                return self.controller.order(
                    self.job, parameters, self.deadline, parameterised=parameterised
                )
            except Away as away:
                self.audience.told(f"{away.message}; waiting for it to come back")
                found = self._placed(parameters, first) if away.sent else None
                if found is not None:
                    return found
                self._patience().ask(self.controller.version)

    def number(self, order: Order, parameters: Mapping[str, str], first: int) -> int:
        """Wait in the queue; the number of the build it becomes.

        Raises InfraError when it was cancelled there or is lost, TimedOut, Interrupted.
        """
        queue_id, last, pace = order.queue_id, "", FASTEST
        while True:
            item = self._ask_item(queue_id)
            if item is None:
                found = self._found_again(queue_id, parameters, first)
                if isinstance(found, BuildState):
                    return found.number
                queue_id = found.id
                continue
            if item.cancelled:
                raise InfraError(f"{self.job}: the order was cancelled in the queue by somebody")
            if item.executable is not None:
                return item.executable.number
            if (why := item.why or "") and _without_numbers(why) != last:
                last, pace = _without_numbers(why), FASTEST
                self.audience.waits(why)
            pace = self._sleep(pace, f"{self.job} to leave the queue ({item.why or 'no reason'})")

    def to_the_end(self, number: int) -> BuildState:
        """Print the console as it grows until the build has ended; its last state.

        Raises InfraError when the build vanishes, TimedOut, Interrupted (the build goes on).
        """
        patience, cursor, pace = self._patience(), Cursor(), FASTEST
        stages = StageView(self)
        silent_since = self.deadline.clock.monotonic()
        reasons = Reasons(self)
        while True:
            chunk = patience.ask(partial(self._console, number, cursor.start))
            if chunk is None:
                raise InfraError(f"{self.job} #{number} is gone: somebody deleted it")
            text, cursor = advance(cursor, chunk)
            if text:
                self.audience.printed(text)
                pace, silent_since = FASTEST, self.deadline.clock.monotonic()
            stages.look(number, silent=not text)
            if not chunk.more and (state := self._ended(number)) is not None:
                stages.look(number, now=True)
                return state
            reasons.look(silent_since)
            pace = self._sleep(pace, f"{self.job} #{number} to end")

    def _console(self, number: int, start: int, deadline: Deadline) -> Chunk | None:
        return self.controller.console(self.job, number, start, deadline)

    def _ended(self, number: int) -> BuildState | None:
        """The final state; a first look may still show no duration, so look once more."""
        state = self._state(number)
        if not state.ended:
            return None
        if state.duration == 0:
            self.deadline.clock.sleep(FASTEST)
            state = self._state(number)
        return state

    def _state(self, number: int) -> BuildState:
        state = self._patience().ask(
            lambda deadline: self.controller.build(self.job, number, deadline)
        )
        if state is None:
            raise InfraError(f"{self.job} #{number} is gone: somebody deleted it")
        return state

    def _ask_item(self, queue_id: int) -> QueueItem | None:
        return self._patience().ask(lambda deadline: self.controller.queue_item(queue_id, deadline))

    def _found_again(
        self, queue_id: int, parameters: Mapping[str, str], first: int
    ) -> BuildState | QueueItem:
        """Queue ids are forgotten minutes after the build began, and all at once at a restart."""
        patience = self._patience()
        builds = patience.ask(lambda deadline: self.controller.builds(self.job, deadline))
        if build := orders.ours(builds, queue_id, parameters, first):
            return build
        items, job_url_end = patience.ask(self.controller.queue), f"/{job_path(self.job)}/"
        if item := orders.waiting(items, job_url_end, parameters):
            return item
        if not parameters and (only := orders.only(builds, items, job_url_end, first)):
            return only
        raise InfraError(
            f"{self.job}: the order {queue_id} is lost: neither queued nor built",
            hint="the controller was restarted before it kept the order; trigger it again",
        )

    def _placed(self, parameters: Mapping[str, str], first: int) -> Order | None:
        try:
            found = self._found_again(UNKNOWN, parameters, first)
        except InfraError as error:
            if isinstance(error, TimedOut | Refused):
                raise
            return None
        queue_id = found.queue_id if isinstance(found, BuildState) else found.id
        return Order(queue_id, merged=False)

    def _patience(self) -> Patience:
        return Patience(self.deadline, self.audience.told)

    def _sleep(self, pace: float, what: str) -> float:
        """Let time pass, longer each time. Raises TimedOut or Interrupted, naming ``what``."""
        if self.deadline.stopped():
            raise Interrupted(f"stopped while waiting for {what}")
        if self.deadline.expired():
            raise TimedOut(f"no time left to wait for {what}")
        self.deadline.clock.sleep(min(pace, max(0.01, self.deadline.remaining())))
        return min(SLOWEST, pace * 1.5)


class StageView:
    """Tells of each stage once when it begins and once when it ends."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._told: dict[str, str] = {}
        self._last = float("-inf")

    def look(self, number: int, *, silent: bool = False, now: bool = False) -> None:
        follower = self._follower
        time = follower.deadline.clock.monotonic()
        every = STAGES_WHEN_SILENT if silent else STAGES_EVERY
        if time < self._last + every and not now:
            return
        self._last = time
        try:
            stages = follower.controller.stages(follower.job, number, follower.deadline)
        except Away:
            return
        for stage in stages:
            if self._told.get(stage.id) != stage.status:
                self._told[stage.id] = stage.status
                follower.audience.stage(stage)


class Reasons:
    """Says why a silent build does not go on: what waits in the queue, and who holds the locks.

    The queue does not say which build a waiting part belongs to, so all of them are told.
    """

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._told: set[str] = set()
        self._next = 0.0

    def look(self, silent_since: float) -> None:
        follower = self._follower
        time = follower.deadline.clock.monotonic()
        if time - silent_since < REASON_AFTER or time < self._next:
            return
        self._next = time + REASON_EVERY
        try:
            reasons = self._found()
        except (Away, Refused):
            return
        for reason in reasons:
            if _without_numbers(reason) not in self._told:
                self._told.add(_without_numbers(reason))
                follower.audience.waits(reason)

    def _found(self) -> list[str]:
        controller, deadline = self._follower.controller, self._follower.deadline
        reasons = [
            f"{item.why} (a part of some build)"
            for item in controller.queue(deadline)
            if item.why and not item.task.name
        ]
        reasons += [
            f"{resource.name} is held by {resource.build_name or resource.reserved_by}"
            for resource in controller.resources(deadline) or ()
            if resource.locked or resource.reserved
        ]
        return reasons


def _without_numbers(text: str) -> str:
    return re.sub(r"[\d.]+", "N", text)
