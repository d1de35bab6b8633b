"""Consoles, channels and screens as streams."""

from __future__ import annotations

from pathlib import Path

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.handle import Handle
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.verdict import refused

SYSTEM_ERROR = libvirt.VIR_ERR_SYSTEM_ERROR
NO_CONSOLE = (
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_OPERATION_FAILED,
)


def test_a_guest_is_heard_on_its_console(guest: Guest) -> None:
    assert len(guest.boot_id()) == 36


def test_a_console_has_one_listener(connection: Handle, guest: Guest) -> None:
    second = connection.newStream(0)
    with refused(libvirt.VIR_ERR_OPERATION_FAILED):
        guest.domain.openConsole(None, second, libvirt.VIR_DOMAIN_CONSOLE_SAFE)


def test_a_new_listener_may_push_the_old_one_away(connection: Handle, guest: Guest) -> None:
    second = connection.newStream(0)
    guest.domain.openConsole(None, second, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    assert len(second.recv(1)) == 1, "the new listener hears nothing"
    second.abort()


def test_the_console_of_an_inactive_domain_cannot_be_opened(
    connection: Handle, defined: Handle
) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.openConsole(None, connection.newStream(0), 0)


def test_a_console_that_is_not_there_cannot_be_opened(connection: Handle, shared: Handle) -> None:
    with refused(*NO_CONSOLE):
        shared.openConsole("serial77", connection.newStream(0), 0)


def test_what_is_typed_reaches_the_console(connection: Handle, running: Handle) -> None:
    stream = connection.newStream(0)
    running.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    assert stream.send(b"\n") == 1
    stream.finish()


def test_a_stream_that_was_finished_takes_nothing_more(connection: Handle, running: Handle) -> None:
    stream = connection.newStream(0)
    running.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    stream.finish()
    with refused(*NO_CONSOLE):
        stream.send(b"x")


def test_a_stream_that_leads_nowhere_takes_nothing(connection: Handle) -> None:
    with refused(*NO_CONSOLE, libvirt.VIR_ERR_NO_SUPPORT):
        connection.newStream(0).send(b"x")


def test_a_stream_tells_when_it_can_be_read(connection: Handle, guest: Guest) -> None:
    stream = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
    guest.domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE, lambda *_: None, None)
    stream.eventUpdateCallback(0)
    stream.eventRemoveCallback()
    stream.abort()


@pytest.fixture
def with_channel(lab: Lab, connection: Handle) -> Handle:
    """A running domain with a channel for an agent that is not there."""
    channel = "<channel type='unix'><target type='virtio' name='org.virtci.0'/></channel>"
    domain: Handle = connection.createXML(str(lab.domain().but(devices=(channel,))), 0)
    return domain


def test_a_channel_can_be_opened(connection: Handle, with_channel: Handle) -> None:
    stream = connection.newStream(0)
    with_channel.openChannel("org.virtci.0", stream, 0)
    assert stream.abort() == 0


def test_a_channel_that_is_not_there_cannot_be_opened(connection: Handle, shared: Handle) -> None:
    with refused(*NO_CONSOLE):
        shared.openChannel("org.virtci.none", connection.newStream(0), 0)


@pytest.fixture
def with_screen(lab: Lab, connection: Handle) -> Handle:
    """A running domain with a screen that nobody looks at."""
    screen = ("<graphics type='vnc' port='-1'/>", "<video><model type='vga'/></video>")
    domain: Handle = connection.createXML(str(lab.domain().but(devices=screen)), 0)
    return domain


def test_a_screen_can_be_opened(with_screen: Handle) -> None:
    descriptor = with_screen.openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
    with open(descriptor, "rb", buffering=0) as screen:
        assert screen.read(3) == b"RFB"


def test_a_screen_that_is_not_there_cannot_be_opened(shared: Handle) -> None:
    with refused(*NO_CONSOLE):
        shared.openGraphicsFD(7, 0)


def test_a_descriptor_that_is_no_socket_is_no_screen(with_screen: Handle) -> None:
    with Path("/dev/null").open("rb") as nothing, refused(*NO_CONSOLE, SYSTEM_ERROR):
        with_screen.openGraphics(7, nothing.fileno(), 0)


def test_the_port_of_a_screen_is_told(with_screen: Handle) -> None:
    port = fromstring(with_screen.XMLDesc(0)).find("devices/graphics")
    assert port is not None
    assert int(port.get("port", "-1")) >= 5900
