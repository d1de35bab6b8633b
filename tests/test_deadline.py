"""Deadlines and waiting."""

from __future__ import annotations

import threading

import pytest

from ci.deadline import Deadline, wait_until
from ci.errors import Interrupted, TimedOut
from tests.clock import FakeClock


def test_an_inner_limit_never_outlives_the_outer_one() -> None:
    outer = Deadline.after(10, FakeClock())
    assert outer.within(60).remaining() == 10
    assert outer.within(3).remaining() == 3


def test_waiting_returns_what_the_probe_gave() -> None:
    answers = iter([None, "", "up"])
    clock = FakeClock()
    assert wait_until("sshd", lambda: next(answers), Deadline.after(60, clock), every=5) == "up"
    assert clock.now == 10


def test_waiting_in_vain_names_what_was_waited_for() -> None:
    with pytest.raises(TimedOut, match="sshd on xen1: still waiting after 60 s"):
        wait_until("sshd on xen1", lambda: None, Deadline.after(60, FakeClock()), every=7)


def test_the_probe_runs_once_even_without_time() -> None:
    assert wait_until("x", lambda: "there", Deadline.after(0, FakeClock())) == "there"


def test_a_stop_leaves_no_time_and_ends_a_wait() -> None:
    stop = threading.Event()
    deadline = Deadline.after(60, FakeClock(), stop)
    stop.set()
    assert deadline.within(30).remaining() == 0
    with pytest.raises(Interrupted):
        deadline.check("deploying")
    with pytest.raises(Interrupted):
        wait_until("sshd", lambda: None, deadline)
