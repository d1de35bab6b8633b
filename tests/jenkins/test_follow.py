"""Orders followed to their end, against a stand-in that behaves as recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ci.deadline import Deadline
from ci.errors import InfraError, TimedOut
from ci.jenkins.controller import Controller
from ci.jenkins.follow import Follower
from ci.jenkins.seen import BuildState, Stage
from tests.clock import FakeClock
from tests.jenkins.standin import Script, StandIn

JOB = "virt/suites"
WANTED = {"OUTCOME": "pass"}


@dataclass
class Listener:
    """Keeps what an audience is told."""

    why: list[str] = field(default_factory=list)
    text: str = ""
    stages: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)

    def waits(self, why: str) -> None:
        self.why.append(why)

    def started(self, number: int, url: str) -> None:
        self.begun.append(number)

    def printed(self, text: str) -> None:
        self.text += text

    def stage(self, stage: Stage) -> None:
        self.stages.append((stage.name, stage.status))

    def told(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def follower(controller: Controller, listener: Listener, deadline: Deadline) -> Follower:
    return Follower(controller, JOB, listener, deadline)


def whole(follower: Follower, wanted: dict[str, str] | None = None) -> BuildState:
    wanted = WANTED if wanted is None else wanted
    order = follower.place(wanted, 1, parameterised=True)
    return follower.to_the_end(follower.number(order, wanted, 1))


@pytest.mark.parametrize("result", ["SUCCESS", "UNSTABLE", "FAILURE", "ABORTED"])
def test_a_build_is_followed_from_the_quiet_period_to_its_result(
    follower: Follower, listener: Listener, state: StandIn, result: str
) -> None:
    state.scripts[JOB] = Script(result=result, seconds=20, lines=((0, "begin"), (15, "late")))
    final = whole(follower)
    assert (final.result, final.ended, final.duration) == (result, True, 20_000)
    assert listener.why[0].startswith("In the quiet period")
    assert ("Suites", "SUCCESS") in listener.stages


def test_the_console_is_printed_once_and_without_notes(
    follower: Follower, listener: Listener, state: StandIn
) -> None:
    lines = tuple((second, f"line {second} ä") for second in range(0, 60, 3))
    state.scripts[JOB] = Script(lines=lines, seconds=61)
    whole(follower)
    expected = ["Started by user ci", "[Pipeline] Start of Pipeline"]
    expected += [text for _second, text in lines]
    expected += ["[Pipeline] End of Pipeline", "Finished: SUCCESS"]
    assert listener.text.splitlines() == expected
    assert "\r" not in listener.text


def test_a_restart_in_the_middle_is_survived_and_nothing_is_printed_twice(
    follower: Follower, listener: Listener, state: StandIn, clock: FakeClock
) -> None:
    state.scripts[JOB] = Script(lines=((0, "before"), (50, "after")), seconds=90)
    order = follower.place(WANTED, 1, parameterised=True)
    number = follower.number(order, WANTED, 1)
    state.restart()
    final = follower.to_the_end(number)
    assert final.result == "SUCCESS"
    assert listener.text.count("before\n") == listener.text.count("after\n") == 1
    assert "waiting for it to come back" in listener.said[0]
    assert listener.said[-1] == "the controller is back"


def test_an_order_whose_queue_id_was_lost_in_a_restart_is_found_in_the_queue(
    follower: Follower, state: StandIn
) -> None:
    state.quiet_seconds = 100
    order = follower.place(WANTED, 1, parameterised=True)
    state.restart()
    assert follower.number(order, WANTED, 1) == 1


def test_an_order_that_became_a_build_before_its_id_was_lost_is_found_among_the_builds(
    follower: Follower, state: StandIn, clock: FakeClock
) -> None:
    state.scripts[JOB] = Script(seconds=500)
    order = follower.place(WANTED, 1, parameterised=True)
    clock.sleep(30)
    state.advance()
    state.restart()
    assert follower.number(order, WANTED, 1) == 1


def test_an_order_that_is_nowhere_any_more_is_reported_as_lost(
    follower: Follower, state: StandIn
) -> None:
    order = follower.place(WANTED, 1, parameterised=True)
    state.items.clear()
    with pytest.raises(InfraError, match="lost"):
        follower.number(order, WANTED, 1)


def test_an_identical_order_is_merged_into_the_queued_one(follower: Follower) -> None:
    first = follower.place(WANTED, 1, parameterised=True)
    second = follower.place(WANTED, 1, parameterised=True)
    assert (second.queue_id, second.merged) == (first.queue_id, True)


def test_an_order_during_a_restart_waits_and_makes_one_build(
    follower: Follower, listener: Listener, state: StandIn
) -> None:
    state.restart()
    final = whole(follower)
    assert final.number == 1
    assert len(state.jobs[JOB].builds) == 1
    assert "cannot be reached" in listener.said[0]


def test_a_controller_that_stays_away_is_given_up_on(follower: Follower, state: StandIn) -> None:
    state.restart(down=10_000)
    with pytest.raises(TimedOut, match="the controller to come back"):
        follower.place(WANTED, 1, parameterised=True)


def test_an_order_cancelled_by_somebody_is_an_error_that_says_so(
    follower: Follower, controller: Controller, deadline: Deadline
) -> None:
    order = follower.place(WANTED, 1, parameterised=True)
    controller.cancel(order.queue_id, deadline)
    with pytest.raises(InfraError, match="cancelled in the queue"):
        follower.number(order, WANTED, 1)


def test_a_build_in_the_way_is_named_as_the_reason(
    controller: Controller, listener: Listener, deadline: Deadline, state: StandIn
) -> None:
    state.scripts["virt/single"] = Script(seconds=40)
    follower = Follower(controller, "virt/single", listener, deadline)
    first = follower.place({}, 1, parameterised=False)
    assert follower.number(first, {}, 1) == 1
    second = follower.place({}, 2, parameterised=False)
    assert follower.number(second, {}, 2) == 2
    assert "Build #1 is already in progress" in listener.why[-1]


def test_a_silent_build_says_what_it_waits_for(
    follower: Follower, listener: Listener, state: StandIn
) -> None:
    state.scripts[JOB] = Script(seconds=90, inner_why="‘bench-1’ is offline")  # noqa: RUF001
    state.locks = [
        {"name": "virt-host-1", "locked": True, "buildName": "virt » lock-a #3", "free": False}
    ]
    whole(follower)
    assert any("‘bench-1’ is offline" in why for why in listener.why)  # noqa: RUF001
    assert "virt-host-1 is held by virt » lock-a #3" in listener.why


def test_a_stopped_build_is_followed_until_it_has_really_ended(
    follower: Follower, controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    state.scripts[JOB] = Script(seconds=900)
    number = follower.number(follower.place(WANTED, 1, parameterised=True), WANTED, 1)
    controller.stop(JOB, number, deadline)
    assert follower.to_the_end(number).result == "ABORTED"


def test_waiting_asks_for_little(follower: Follower, state: StandIn) -> None:
    state.scripts[JOB] = Script(seconds=600, lines=())
    whole(follower)
    assert len(state.log) / 10 < 30  # requests a minute


@pytest.mark.parametrize("waited", [0.0, 30.0])
def test_an_order_without_parameters_is_found_after_a_restart_where_it_is_the_only_one(
    controller: Controller, state: StandIn, clock: FakeClock, deadline: Deadline, waited: float
) -> None:
    state.scripts["virt/bare"] = Script(seconds=500)
    follower = Follower(controller, "virt/bare", Listener(), deadline)
    order = follower.place({}, 1, parameterised=False)
    clock.sleep(waited)
    state.restart()
    assert follower.number(order, {}, 1) == 1


def test_two_orders_that_cannot_be_told_apart_after_a_restart_are_not_guessed(
    controller: Controller, state: StandIn, clock: FakeClock, deadline: Deadline
) -> None:
    state.scripts["virt/bare"] = Script(seconds=500)
    follower = Follower(controller, "virt/bare", Listener(), deadline)
    order = follower.place({}, 1, parameterised=False)
    for _ in range(2):
        clock.sleep(30)
        controller.order("virt/bare", {}, deadline, parameterised=False)
    state.restart()
    with pytest.raises(InfraError, match="lost"):
        follower.number(order, {}, 1)
