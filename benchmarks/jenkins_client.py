"""What the Jenkins client costs: requests while waiting, lag of the console, apply of 300 jobs.

Requests are counted against a stand-in on a clock that moves only when slept on; times are taken
over a real loopback socket. Run: python -m benchmarks.jenkins_client
"""

from __future__ import annotations

import contextlib
import statistics
import time

from ci.deadline import Deadline, SystemClock
from ci.jenkins.api import Door
from ci.jenkins.apply import apply
from ci.jenkins.change import changes, listing
from ci.jenkins.controller import Controller
from ci.jenkins.fleet import Placed, wait_for_all
from ci.jenkins.follow import Follower
from ci.jenkins.login import Login
from ci.jenkins.patience import Patience
from ci.jenkins.plan import JenkinsPlan
from ci.jenkins.wanted import Source, Wanted, wanted
from tests.clock import FakeClock
from tests.jenkins import jobs
from tests.jenkins.standin import Script, StandIn
from tests.jenkins.test_follow import Listener
from tests.jenkins.transport import controller_on, served

JOBS = 300
MINUTES = 30
TRIES = 7


class FirstLine(Listener):
    """Notes when a line was printed first."""

    at = 0.0

    def printed(self, text: str) -> None:
        if "first line" in text and not self.at:
            self.at = time.time()


def silent_build() -> float:
    """Requests a minute for one build that says nothing for half an hour."""
    clock = FakeClock()
    state = lab(clock, Script(seconds=MINUTES * 60, lines=()))
    follow(controller_on(state), Deadline.after(1e5, clock), Listener())
    return len(state.log) / MINUTES


def talking_build() -> float:
    """The same for one that prints a line each second."""
    clock = FakeClock()
    lines = tuple((float(second), f"line {second}") for second in range(MINUTES * 60))
    state = lab(clock, Script(seconds=MINUTES * 60, lines=lines))
    follow(controller_on(state), Deadline.after(1e5, clock), Listener())
    return len(state.log) / MINUTES


def fleet(count: int = 50) -> float:
    """Requests a minute for many builds at once."""
    clock = FakeClock()
    state = lab(clock, Script())
    controller, deadline = controller_on(state), Deadline.after(1e5, clock)
    placed = []
    for number in range(count):
        name, given = f"virt/j{number}", {"REF": str(number)}
        state.add_job(name, jobs.WITH_PARAMETERS)
        state.scripts[name] = Script(seconds=MINUTES * 60)
        order = controller.order(name, given, deadline, parameterised=True)
        placed.append(Placed(name, order.queue_id, given, 1))
    before = len(state.log)
    wait_for_all(controller, tuple(placed), deadline, lambda _one, _text: None)
    return (len(state.log) - before) / MINUTES


def console_lag() -> float:
    """Seconds from the moment the controller has the first line to the moment it is printed."""
    lags = []
    for _try in range(TRIES):
        state = lab(SystemClock(), Script(seconds=3.0, lines=((0.0, "first line"),)))
        state.quiet_seconds = 0.5
        with served(state):
            watch = FirstLine()
            follow(connect(state), Deadline.after(60), watch)
            lags.append(watch.at - state.jobs["virt/suites"].builds[0].at)
    return statistics.median(lags)


def apply_times() -> tuple[tuple[str, float, int], ...]:
    """First apply, unchanged, all changed: seconds and requests."""
    state = lab(SystemClock(), Script())
    found = []
    with served(state):
        for what, plans in (
            ("made", JenkinsPlan()),
            ("unchanged", JenkinsPlan()),
            ("changed", JenkinsPlan(cron="@daily")),
        ):
            controller, patience = connect(state), Patience(Deadline.after(600))
            began, want = time.perf_counter(), every(plans)
            there = listing(controller, want, patience)
            todo = changes(controller, want, there, patience, look=False)
            apply(controller, todo, patience, force=False, told=lambda _change: None)
            found.append((what, time.perf_counter() - began, len(state.log)))
            state.log.clear()
    return tuple(found)


def every(plan: JenkinsPlan) -> Wanted:
    return wanted(Source(f"plans/p{number}.toml", plan) for number in range(JOBS))


def lab(clock: FakeClock | SystemClock, script: Script) -> StandIn:
    state = StandIn(clock)
    state.add_job("virt", jobs.FOLDER)
    state.add_job("virt/suites", jobs.WITH_PARAMETERS)
    state.scripts["virt/suites"] = script
    return state


def connect(state: StandIn) -> Controller:
    return Controller(Door(Login(state.url, state.user, state.token)))


def follow(controller: Controller, deadline: Deadline, listener: Listener) -> None:
    follower = Follower(controller, "virt/suites", listener, deadline)
    order = follower.place({"OUTCOME": "pass"}, 1, parameterised=True)
    follower.to_the_end(follower.number(order, {"OUTCOME": "pass"}, 1))


def main() -> None:
    print(f"waiting for 1 build, silent:  {silent_build():5.1f} requests a minute")
    print(f"waiting for 1 build, talking: {talking_build():5.1f} requests a minute")
    print(f"waiting for 50 builds:        {fleet():5.1f} requests a minute in all")
    print(
        f"first console line:           {console_lag():5.2f} s after the controller has it (median)"
    )
    for what, seconds, requests in apply_times():
        print(f"apply of {JOBS} jobs, {what:9}: {seconds:5.1f} s, {requests} requests")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
