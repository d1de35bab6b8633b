"""Many orders at once, followed with few questions: two for each look, however many builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ci.deadline import Deadline
from ci.errors import InfraError, Interrupted, TimedOut
from ci.jenkins import orders
from ci.jenkins.api import job_path
from ci.jenkins.controller import Controller
from ci.jenkins.patience import Patience
from ci.jenkins.seen import BuildState, QueueItem

FASTEST, SLOWEST = 2.0, 15.0
LOOKS_WITHOUT_TRACE = 3


@dataclass(frozen=True, eq=False)
class Placed:
    """One order: the job, its queue id, its parameters, the job's next number at that time."""

    job: str
    queue_id: int
    parameters: Mapping[str, str]
    first: int


def wait_for_all(
    controller: Controller,
    placed: tuple[Placed, ...],
    deadline: Deadline,
    told: Callable[[Placed, str], None],
) -> dict[Placed, BuildState | InfraError]:
    """How each order ended: its build's last state, or why there is none.

    ``told`` hears of each order when it waits, starts and ends. Raises TimedOut, Interrupted.
    """
    watch = _Watch(controller, deadline, told)
    left = list(placed)
    ended: dict[Placed, BuildState | InfraError] = {}
    pace = FASTEST
    while left:
        before = len(ended), watch.changes
        ended |= watch.look(left)
        left = [one for one in left if one not in ended]
        moved = (len(ended), watch.changes) != before
        pace = FASTEST if moved else min(SLOWEST, pace * 1.5)
        if left:
            _let_pass(pace, deadline, len(left))
    return ended


class _Watch:
    """What was told already, and which orders nobody has seen lately."""

    def __init__(
        self, controller: Controller, deadline: Deadline, told: Callable[[Placed, str], None]
    ) -> None:
        self._controller, self._deadline, self._tell = controller, deadline, told
        self._said: dict[int, str] = {}
        self._unseen: dict[int, int] = {}
        self._ending: set[int] = set()
        self._numbers: dict[int, int] = {}
        self.changes = 0

    def look(self, left: list[Placed]) -> dict[Placed, BuildState | InfraError]:
        patience = Patience(self._deadline, lambda text: self._tell(left[0], text))
        queue = {item.id: item for item in patience.ask(self._controller.queue)}
        builds: dict[str, tuple[BuildState, ...]] = {}
        for folder in {one.job.rpartition("/")[0] for one in left}:
            builds |= patience.ask(partial(self._controller.builds_below, folder))
        found: dict[Placed, BuildState | InfraError] = {}
        for one in left:
            state = self._build(one, builds.get(one.job, ()))
            if state is not None and state.ended and (state.duration or self._ended_before(one)):
                found[one] = state
                self._say(one, f"#{state.number} {state.result}")
            elif state is not None:
                self._say(one, f"#{state.number} runs")
            elif (item := _queued(one, queue)) is not None:
                self._unseen.pop(one.queue_id, None)
                self._say(one, "waits in the queue" if not item.why else f"waits: {item.why[:60]}")
            elif (error := self._lost(one, builds.get(one.job, ()), queue)) is not None:
                found[one] = error
        return found

    def _build(self, one: Placed, builds: tuple[BuildState, ...]) -> BuildState | None:
        """Once known a build is known by its number: its queue id may change."""
        if (number := self._numbers.get(one.queue_id)) is not None:
            return next((build for build in builds if build.number == number), None)
        state = orders.ours(builds, one.queue_id, one.parameters, one.first)
        if state is not None:
            self._numbers[one.queue_id] = state.number
        return state

    def _ended_before(self, one: Placed) -> bool:
        """Right after its end a build has no duration yet: it is looked at once more."""
        known = one.queue_id in self._ending
        self._ending.add(one.queue_id)
        return known

    def _lost(
        self, one: Placed, builds: tuple[BuildState, ...], queue: Mapping[int, QueueItem]
    ) -> InfraError | None:
        """Between queue and build an order may be in neither list for a moment."""
        self._unseen[one.queue_id] = self._unseen.get(one.queue_id, 0) + 1
        if self._unseen[one.queue_id] < LOOKS_WITHOUT_TRACE:
            return None
        ask = partial(self._controller.queue_item, one.queue_id)
        item: QueueItem | None = Patience(self._deadline).ask(ask)
        if item is not None and item.cancelled:
            return InfraError(f"{one.job}: the order was cancelled in the queue by somebody")
        if item is None and not one.parameters:
            end = f"/{job_path(one.job)}/"
            match orders.only(builds, queue.values(), end, one.first):
                case BuildState(number=number):
                    self._numbers[one.queue_id] = number
                    return None
                case QueueItem():
                    return None
        return InfraError(f"{one.job}: the order {one.queue_id} is lost: neither queued nor built")

    def _say(self, one: Placed, text: str) -> None:
        kind = text.partition(":")[0]
        if self._said.get(one.queue_id) != kind:
            self._said[one.queue_id] = kind
            self.changes += 1
            self._tell(one, text)


def _queued(one: Placed, queue: Mapping[int, QueueItem]) -> QueueItem | None:
    item = queue.get(one.queue_id)
    return item or orders.waiting(queue.values(), f"/{job_path(one.job)}/", one.parameters)


def _let_pass(seconds: float, deadline: Deadline, left: int) -> None:
    if deadline.stopped():
        raise Interrupted(f"stopped while {left} builds were still going on")
    if deadline.expired():
        raise TimedOut(f"{left} builds did not end in time")
    deadline.clock.sleep(min(seconds, max(0.01, deadline.remaining())))
