"""Domains that libvirt has lost: ours are ended by the hypervisor's own tool, others are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from suites.hypervisor.handle import Handle
from suites.tck.lost import Tool, end_lost, parse

LIST = """\
Name                                        ID   Mem VCPUs      State   Time(s)
Domain-0                                     0   768     1     r-----      38.2
test                                         1    96     1     -b----       1.0
virtci-tck-0-1a2b-shared                     7    96     1     --p---       0.0
somebody elses                               8    96     1     -b----       1.4
(null)                                       9     0     1     --ps-d       0.1
"""


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    (tmp_path / "list").write_text(LIST)
    destroy = ("sh", "-c", f'echo "$1" >> {tmp_path}/ended', "destroy")
    return Tool(("cat", str(tmp_path / "list")), destroy)


def test_a_list_is_read_by_number() -> None:
    assert parse(LIST) == {
        "1": "test",
        "7": "virtci-tck-0-1a2b-shared",
        "8": "somebody elses",
        "9": "(null)",
    }


def test_only_ours_is_ended(connection: Handle, tool: Tool, tmp_path: Path) -> None:
    told = [str(lost) for lost in end_lost(connection, tool)]
    assert (tmp_path / "ended").read_text() == "7\n"
    assert "virtci-tck-0-1a2b-shared (number 7)" in told[0]
    assert told[0].endswith("it was ended")
    assert [text.rpartition(": ")[2] for text in told[1:]] == ["its name is not one of ours"] * 2


def test_what_libvirt_knows_is_not_lost(connection: Handle, tool: Tool) -> None:
    assert not [lost for lost in end_lost(connection, tool) if lost.name.startswith("test ")]


def test_without_a_way_to_end_it_ours_stays_and_it_is_said(connection: Handle, tool: Tool) -> None:
    (ours, *_) = end_lost(connection, Tool(tool.listing))
    assert ours.ours
    assert ours.stays == "no --hypervisor-destroy was given"


def test_a_failing_tool_says_why(connection: Handle, tool: Tool) -> None:
    (ours, *_) = end_lost(connection, Tool(tool.listing, ("sh", "-c", "echo no >&2; exit 1")))
    assert "no" in ours.stays


def test_another_worker_s_domain_is_not_ours(connection: Handle, tool: Tool) -> None:
    assert not [lost for lost in end_lost(connection, tool, "virtci-tck-gw0-") if lost.ours]
