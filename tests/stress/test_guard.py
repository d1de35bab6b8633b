"""A call that hangs is ended from outside, and one that cannot be ended is told of."""

from __future__ import annotations

import threading
import time

import pytest

from suites.stress import guard as guards
from suites.stress.guard import CallHung, Guard


class Recorder:
    def __init__(self) -> None:
        self.freed = threading.Event()
        self.frees = True
        self.told: list[str] = []

    def release(self, call: str) -> str:
        self.told.append(f"released {call}")
        if self.frees:
            self.freed.set()
        return "where it stood"

    def stuck(self, call: str, seconds: float, evidence: str) -> None:
        self.told.append(f"stuck in {call} after {seconds:g} s: {evidence}")
        self.freed.set()


def hang(rescuer: Recorder) -> None:
    rescuer.freed.wait(30)


def test_a_call_that_returns_in_time_gives_its_value() -> None:
    assert Guard(Recorder()).call("quick", 5, max, 1, 2) == 2


def test_a_hanging_call_is_released_and_blamed_with_evidence() -> None:
    rescuer = Recorder()
    with pytest.raises(CallHung, match=r"slow did not return within 0.1 s") as caught:
        Guard(rescuer).call("slow", 0.1, hang, rescuer)
    assert caught.value.detail == "where it stood"
    assert rescuer.told == ["released slow"]


def test_the_error_that_releasing_caused_does_not_hide_the_hang() -> None:
    rescuer = Recorder()

    def cut() -> None:
        rescuer.freed.wait(30)
        raise ConnectionResetError

    with pytest.raises(CallHung):
        Guard(rescuer).call("cut", 0.1, cut)


def test_a_call_that_cannot_be_released_is_told_as_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "GRACE", 0.3)
    rescuer = Recorder()
    rescuer.frees = False
    with pytest.raises(CallHung):
        Guard(rescuer).call("dead", 0.1, hang, rescuer)
    assert rescuer.told == ["released dead", "stuck in dead after 0.1 s: where it stood"]


def test_the_next_call_after_a_hang_is_not_blamed() -> None:
    rescuer = Recorder()
    watched = Guard(rescuer)
    with pytest.raises(CallHung):
        watched.call("slow", 0.1, hang, rescuer)
    assert watched.call("quick", 5, len, "abc") == 3
    time.sleep(2 * guards.TICK)
    assert rescuer.told == ["released slow"]
