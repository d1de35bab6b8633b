"""A long call is made aside, while libvirt's event loop turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import libvirt
import pytest

from suites.stress.connection import Connection
from suites.stress.guard import CallHung, Guard
from tests.stress.test_guard import Recorder

CLOCK_MILLISECONDS = 20


@pytest.fixture
def connection() -> Iterator[Connection]:
    opened = Connection("test:///default", Guard(Recorder()), lambda *_: None, call_seconds=30)
    opened.open()
    yield opened
    opened.close()


def test_the_event_loop_turns_during_a_call_that_is_made_aside(connection: Connection) -> None:
    turned = threading.Event()
    timer = libvirt.virEventAddTimeout(CLOCK_MILLISECONDS, lambda *_: turned.set(), None)
    try:
        assert connection.call_aside(turned.wait, 20, seconds=30)
    finally:
        libvirt.virEventRemoveTimeout(timer)


def test_its_error_is_that_of_the_call(connection: Connection) -> None:
    with pytest.raises(libvirt.libvirtError) as caught:
        connection.call_aside(connection.raw.lookupByName, "nobody", seconds=30)
    assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN


def test_one_that_does_not_return_is_told_as_hanging(connection: Connection) -> None:
    for_ever = threading.Event()
    with pytest.raises(CallHung, match=r"wait did not return within 0\.1 s"):
        connection.call_aside(for_ever.wait, seconds=0.1)
    for_ever.set()
