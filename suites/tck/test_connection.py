"""The connection itself: what it says of itself and of its node, and how it ends."""

from __future__ import annotations

import re
import socket
import threading
from urllib.parse import urlsplit

import libvirt
import pytest
from defusedxml.ElementTree import fromstring

from suites.hypervisor.api import Session
from suites.hypervisor.handle import Handle
from suites.tck.lab import Lab
from suites.tck.verdict import refused

MANY = 5


def wired(lab: Lab) -> Session:
    """A session that can be cut."""
    if not lab.session.wired:
        pytest.skip("this driver works inside our own process: there is no wire to cut")
    return lab.another()


def test_it_names_its_driver(connection: Handle) -> None:
    assert connection.getType()


def test_the_library_version_has_three_parts(connection: Handle) -> None:
    major, rest = divmod(connection.getLibVersion(), 1_000_000)
    assert major > 0
    assert rest < 1_000_000


def test_the_hypervisor_version_is_told(connection: Handle) -> None:
    assert connection.getVersion() > 0


def test_the_host_name_is_told(connection: Handle) -> None:
    assert connection.getHostname().strip()


def test_the_uri_leads_to_the_same_driver(lab: Lab, connection: Handle) -> None:
    own, asked = connection.getURI(), lab.options.uri
    assert re.split(r"[+:]", own)[0] == re.split(r"[+:]", asked)[0]


def test_a_new_connection_is_alive(connection: Handle) -> None:
    assert connection.isAlive() == 1


def transport(connection: Handle) -> str:
    """How the daemon is reached: ssh, tcp, tls ...; empty within this machine."""
    return str(urlsplit(connection.getURI()).scheme).partition("+")[2]


def test_it_says_whether_it_is_encrypted(connection: Handle) -> None:
    own = transport(connection)
    assert connection.isEncrypted() == (own == "tls")


def test_it_says_whether_it_is_secure(connection: Handle) -> None:
    own = transport(connection)
    assert connection.isSecure() == (own != "tcp")


def test_a_local_connection_is_secure(lab: Lab, connection: Handle) -> None:
    if not lab.session.local:
        pytest.skip("this connection leaves the machine")
    assert connection.isSecure() == 1


def test_at_least_one_vcpu_is_allowed(lab: Lab, connection: Handle) -> None:
    assert connection.getMaxVcpus(lab.platform.type) >= 1


def test_a_domain_type_of_nobody_has_no_vcpu_limit(connection: Handle) -> None:
    with refused(libvirt.VIR_ERR_INVALID_ARG):
        connection.getMaxVcpus("virtci-nothing")


def test_the_system_information_is_xml(connection: Handle) -> None:
    assert fromstring(connection.getSysinfo(0)).tag == "sysinfo"


def test_many_connections_work_side_by_side(lab: Lab) -> None:
    sessions = [lab.another() for _ in range(MANY)]
    try:
        names = {session.open().getHostname() for session in sessions}
        assert len(names) == 1
    finally:
        for session in sessions:
            session.close()


def test_a_closed_connection_does_not_close_the_others(lab: Lab, connection: Handle) -> None:
    other = lab.another()
    other.open()
    other.close()
    assert connection.isAlive() == 1


def test_a_driver_that_nobody_has_is_refused(lab: Lab) -> None:
    other = lab.another("virtci-nothing:///")
    # the library asks a daemon before it gives up; there need not be one
    with refused(libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_SYSTEM_ERROR):
        other.open()


def test_a_malformed_uri_is_refused(lab: Lab) -> None:
    other = lab.another("virtci://[::1/")
    with refused(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_INVALID_ARG):
        other.open()


def test_keepalive_can_be_set_where_there_is_a_wire(lab: Lab) -> None:
    other = lab.another()
    try:
        assert other.open().setKeepAlive(5, 3) == 0, "the daemon does not speak keepalive"
        assert other.connection.isAlive() == 1
    finally:
        other.close()


def test_a_close_callback_is_told_that_the_connection_broke(lab: Lab) -> None:
    other = wired(lab)
    told = threading.Event()
    reasons: list[int] = []

    def closed(_connection: Handle, reason: int, _opaque: object) -> None:
        reasons.append(reason)
        told.set()

    try:
        other.open().registerCloseCallback(closed, None)
        other.cut()
        assert told.wait(10), "no close event came within 10 s"
        assert reasons[0] in (
            libvirt.VIR_CONNECT_CLOSE_REASON_ERROR,
            libvirt.VIR_CONNECT_CLOSE_REASON_EOF,
        )
    finally:
        other.close()


def test_a_close_callback_can_be_taken_back(lab: Lab) -> None:
    other = lab.another()
    try:
        other.open().registerCloseCallback(lambda *_: None, None)
        other.connection.unregisterCloseCallback()
        other.connection.registerCloseCallback(lambda *_: None, None)
    finally:
        other.close()


def test_a_broken_connection_is_not_alive(lab: Lab) -> None:
    other = wired(lab)
    try:
        other.open()
        other.cut()
        with refused(
            libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_RPC
        ):
            for _ in range(3):
                other.connection.getHostname()
        assert other.connection.isAlive() == 0
    finally:
        other.close()


def test_the_host_name_of_a_local_connection_is_ours(lab: Lab, connection: Handle) -> None:
    if not lab.session.local:
        pytest.skip("this connection leaves the machine")
    assert connection.getHostname().split(".")[0] == socket.gethostname().split(".")[0]
