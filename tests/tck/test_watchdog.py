"""Calls that outlive their deadline are ended from outside."""

from __future__ import annotations

import threading

from suites.hypervisor.watchdog import Pending, Watchdog


def never(pending: Pending) -> None:
    raise AssertionError(f"{pending.function} was given up")


def test_a_call_that_returns_in_time_is_left_alone() -> None:
    watchdog = Watchdog(never)
    pending = watchdog.begin("virX", 60.0, lambda: "released")
    assert watchdog.end(pending) is False


def test_a_call_that_hangs_is_released_and_its_evidence_kept() -> None:
    watchdog, wire = Watchdog(never), threading.Event()

    def release() -> str:
        wire.set()
        return "where it stood"

    pending = watchdog.begin("virX", 0.0, release)
    assert wire.wait(10)  # the call that hangs
    assert watchdog.end(pending) is True
    assert pending.evidence == "where it stood"


def test_one_call_that_hangs_leaves_the_others_alone() -> None:
    watchdog = Watchdog(never)
    other = watchdog.begin("virOther", 60.0, lambda: "")
    wire = threading.Event()
    pending = watchdog.begin("virX", 0.0, lambda: wire.set() or "")  # type: ignore[func-returns-value]
    assert wire.wait(10)
    assert watchdog.end(pending) is True
    assert watchdog.end(other) is False
