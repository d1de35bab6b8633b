"""The private libvirtd for the real tests of the TCK, and what the others try things out on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from suites.hypervisor.api import Session
from suites.hypervisor.calls import Recorder
from suites.hypervisor.handle import Handle
from suites.hypervisor.watchdog import Pending, Watchdog
from suites.tck.lab import Lab
from suites.tck.options import Options
from suites.tck.sweep import sweep
from tests.libvirtd import libvirtd, respawning_libvirtd

__all__ = ["libvirtd", "respawning_libvirtd"]


def given_up(pending: Pending) -> None:
    raise AssertionError(f"{pending.function} could not be ended")


def new_lab() -> Lab:
    return Lab(Options("test:///default"), Recorder(), Watchdog(given_up))


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab on the test driver, inside this very process."""
    made = new_lab()
    yield made
    sweep(made.connection)
    made.close()


@pytest.fixture
def connection() -> Iterator[Handle]:
    """A watched connection to the test driver."""
    session = Session("test:///default", Recorder(), Watchdog(given_up))
    yield session.open()
    sweep(session.connection)
    session.close()
