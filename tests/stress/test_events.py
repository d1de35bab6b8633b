"""Events have to be those that were asked for, in order."""

from __future__ import annotations

import pytest

from suites.stress.events import EVENTS, expected, fit
from suites.stress.operations import OPERATIONS

LIFECYCLE = ("create", "reboot", "shutdown")


@pytest.mark.parametrize(
    ("driver", "heard"),
    [
        ("TEST", "started:booted stopped:shutdown "),
        ("QEMU", "resumed started:booted rebooted shutdown stopped:shutdown "),
        ("QEMU", "started:booted rebooted rebooted rebooted stopped:shutdown "),
        (
            "Xen",
            "started:booted started:booted stopped:shutdown stopped:shutdown ",
        ),  # as libxl of 9.0 sends them
        ("Xen", "started:booted stopped:shutdown started:booted stopped:shutdown "),
    ],
)
def test_what_a_driver_sends_for_a_lifecycle_fits(driver: str, heard: str) -> None:
    assert fit(driver, LIFECYCLE, heard)


@pytest.mark.parametrize(
    ("driver", "heard"),
    [
        ("TEST", ""),
        ("TEST", "started:booted "),
        ("TEST", "stopped:shutdown started:booted "),
        ("TEST", "started:booted suspended stopped:shutdown "),
        ("QEMU", "resumed started:booted stopped:shutdown "),  # no reboot was heard of
        ("QEMU", "resumed started:booted rebooted crashed stopped:shutdown "),
        ("QEMU", "resumed started:booted rebooted shutdown stopped:crashed "),
        ("TEST", "started:booted stopped:crashed "),
        ("Xen", "started:booted stopped:shutdown "),
        (
            "Xen",
            "started:booted stopped:shutdown started:booted stopped:shutdown stopped:shutdown ",
        ),
    ],
)
def test_a_missing_a_foreign_or_a_misplaced_event_does_not_fit(driver: str, heard: str) -> None:
    assert not fit(driver, LIFECYCLE, heard)


@pytest.mark.parametrize(
    ("done", "heard"),
    [
        (("migrate",), "suspended:migrated stopped:migrated started:migrated resumed "),
        (("snapshot",), "suspended:paused resumed "),
        (("revert",), "stopped:snapshot started:snapshot resumed defined "),
    ],
)
def test_what_qemu_of_9_0_sends_fits_and_half_of_it_does_not(
    done: tuple[str, ...], heard: str
) -> None:
    assert fit("QEMU", done, heard)
    assert not fit("QEMU", done, heard + "stopped:crashed ")
    assert not fit("QEMU", ("migrate",), "suspended:migrated stopped:migrated ")


def test_a_guest_that_migrated_on_xen_was_away_and_is_back() -> None:
    back = "stopped:migrated started:restored resumed "
    assert fit("Xen", ("migrate",), back)
    assert not fit("Xen", ("migrate",), "stopped:migrated started:restored ")  # left paused
    assert not fit("Xen", ("migrate",), "stopped:migrated ")


def test_only_operations_that_exist_have_events() -> None:
    known = {op for events in EVENTS.values() for op in events}
    assert known <= set(OPERATIONS)


def test_a_driver_that_nobody_knows_is_not_judged() -> None:
    assert fit("bhyve", LIFECYCLE, "whatever ")
    assert expected("bhyve", LIFECYCLE) == "anything"
