"""A stand-in with a folder and jobs, on a clock that moves only when slept on."""

from __future__ import annotations

import pytest

from ci.deadline import Deadline
from ci.jenkins.controller import Controller
from tests.clock import FakeClock
from tests.jenkins import jobs
from tests.jenkins.standin import StandIn
from tests.jenkins.transport import controller_on


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state(clock: FakeClock) -> StandIn:
    state = StandIn(clock)
    state.add_job("virt", jobs.FOLDER)
    state.add_job("virt/suites", jobs.WITH_PARAMETERS)
    state.add_job("virt/bare", jobs.BARE)
    state.add_job("virt/single", jobs.ONE_AT_A_TIME)
    return state


@pytest.fixture
def controller(state: StandIn) -> Controller:
    return controller_on(state)


@pytest.fixture
def deadline(clock: FakeClock) -> Deadline:
    return Deadline.after(3600, clock)
