"""The calls of a case can be made again from what was kept of them."""

from __future__ import annotations

import gc
from typing import Any

import libvirt
import pytest

from suites.hypervisor.api import Session
from suites.hypervisor.calls import Recorder
from suites.hypervisor.trail import Trail
from suites.hypervisor.watchdog import Watchdog
from tests.tck.conftest import given_up

pytestmark = pytest.mark.real
XML = (
    "<domain type='test'><name>virtci-trail</name><memory>1024</memory>"
    "<os><type>hvm</type></os></domain>"
)


def test_the_lines_make_the_same_calls_again() -> None:
    session = Session("test:///default", Recorder(), Watchdog(given_up))
    connection = session.open()
    session.recorder.take()
    known = connection.listAllDomains(0)[0]
    session.recorder.trail.clear()
    domain = connection.createXML(XML, 0)
    domain.suspend()
    assert connection.listAllDomains(0)[0].info()
    known.info()
    domain.destroy()
    with pytest.raises(libvirt.libvirtError):
        connection.lookupByName("virtci-trail")
    made = session.recorder.trail.made()
    session.close()
    assert [one.outcome for one in made][-2:] == [0, libvirt.VIR_ERR_NO_DOMAIN]
    names: dict[str, Any] = {"connection": libvirt.open("test:///default")}
    for one in made[:-1]:
        exec(one.line, names)
    assert names["domain"].name() == "virtci-trail"
    assert {line.line.partition("(")[0] for line in made} >= {
        "domain = connection.createXML", "domain.suspend", "found = connection.listAllDomains",
    }  # fmt: skip
    assert not any("found[" in one.line for one in made)  # there it is another one's


def test_nothing_is_noted_behind_the_end_of_the_daemon() -> None:
    trail = Trail()
    trail.add("virFoo", str.upper, ("a",), None, 0)
    trail.end()
    trail.add("virBar", str.upper, ("a",), None, 0)
    assert [one.function for one in trail.made()] == ["virFoo"]
    trail.clear()
    trail.add("virBar", str.upper, ("a",), None, 0)
    assert [one.function for one in trail.made()] == ["virBar"]


def test_objects_are_not_held_on_to() -> None:
    session = Session("test:///default", Recorder(), Watchdog(given_up))
    session.open().createXML(XML, 0)
    gc.collect()
    connection = session.connection.raw
    assert session.recorder.trail.made()
    assert not [one for one in gc.get_objects() if type(one) is libvirt.virDomain]
    connection.lookupByName("virtci-trail").destroy()
    session.close()
