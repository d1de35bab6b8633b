"""Many orders followed at once."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.jenkins.controller import Controller
from ci.jenkins.fleet import Placed, wait_for_all
from ci.jenkins.seen import BuildState
from tests.jenkins import jobs
from tests.jenkins.standin import Script, StandIn


def place(
    controller: Controller, state: StandIn, deadline: Deadline, count: int
) -> tuple[Placed, ...]:
    found = []
    for number in range(count):
        name, wanted = f"virt/j{number}", {"REF": str(number)}
        state.add_job(name, jobs.WITH_PARAMETERS)
        result = ("SUCCESS", "FAILURE")[number % 2]
        state.scripts[name] = Script(seconds=60 + number, result=result)
        order = controller.order(name, wanted, deadline, parameterised=True)
        found.append(Placed(name, order.queue_id, wanted, 1))
    return tuple(found)


def test_fifty_builds_are_followed_with_few_questions(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    placed = place(controller, state, deadline, 50)
    state.log.clear()
    said: list[str] = []
    ended = wait_for_all(controller, placed, deadline, lambda one, text: said.append(text))
    results = [end.result for end in ended.values() if isinstance(end, BuildState)]
    assert (results.count("SUCCESS"), results.count("FAILURE")) == (25, 25)
    assert len(state.log) < 100  # in two minutes, most of them while builds end one by one
    assert sum(text.endswith("runs") for text in said) == 50


def test_a_restart_in_the_middle_loses_none(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    placed = place(controller, state, deadline, 5)
    deadline.clock.sleep(10)
    state.advance()
    state.restart()
    ended = wait_for_all(controller, placed, deadline, lambda _one, _text: None)
    assert all(isinstance(end, BuildState) for end in ended.values())


def test_a_cancelled_order_does_not_stop_the_others(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    placed = place(controller, state, deadline, 3)
    controller.cancel(placed[1].queue_id, deadline)
    ended = wait_for_all(controller, placed, deadline, lambda _one, _text: None)
    error = ended[placed[1]]
    assert isinstance(error, InfraError)
    assert "cancelled" in error.message
    assert sum(isinstance(end, BuildState) for end in ended.values()) == 2


def bare(controller: Controller, state: StandIn, deadline: Deadline) -> Placed:
    """An order without parameters: only its id tells it."""
    state.scripts["virt/bare"] = Script(seconds=100)
    order = controller.order("virt/bare", {}, deadline, parameterised=False)
    return Placed("virt/bare", order.queue_id, {}, 1)


def test_orders_still_queued_at_a_restart_are_found_under_their_new_ids(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    state.quiet_seconds = 300
    placed = (*place(controller, state, deadline, 2), bare(controller, state, deadline))
    state.restart()
    ended = wait_for_all(controller, placed, deadline, lambda _one, _text: None)
    assert all(isinstance(end, BuildState) for end in ended.values())


def test_a_running_build_without_parameters_is_not_lost_in_a_restart(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    placed = bare(controller, state, deadline)
    deadline.clock.sleep(10)
    state.restart()
    (end,) = wait_for_all(controller, (placed,), deadline, lambda _one, _text: None).values()
    assert isinstance(end, BuildState)
    assert end.number == 1


def test_a_build_is_known_by_its_number_once_it_was_seen(
    controller: Controller, state: StandIn, deadline: Deadline
) -> None:
    placed = bare(controller, state, deadline)
    others: list[int] = []

    def told(_one: Placed, text: str) -> None:
        if text.endswith("runs") and not others:
            state.restart()
            others.append(controller_order(controller, deadline))

    ended = wait_for_all(controller, (placed,), deadline, told)
    (end,) = ended.values()
    assert isinstance(end, BuildState)
    assert end.number == 1
    assert others


def controller_order(controller: Controller, deadline: Deadline) -> int:
    """Another one's order, once the controller is back."""
    deadline.clock.sleep(60)
    return controller.order("virt/bare", {}, deadline, parameterised=False).queue_id
