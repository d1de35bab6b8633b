"""What a suite is told of a connection that only its URI tells of."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from ci.errors import UsageError
from ci.pipelines.target import DAEMON_PROBE, INVENTORIES, is_local, target_at


def test_a_daemon_behind_ssh_is_asked_the_way_libvirt_itself_goes() -> None:
    target = target_at("xen+ssh://root@host:2222/system?command=/a/ssh&keyfile=/k&proxy=netcat")
    program, *options = target.daemon_probe
    assert program == "/a/ssh"
    assert options[-3:] == ["--", "host", DAEMON_PROBE]
    for pair in (("-p", "2222"), ("-l", "root"), ("-i", "/k")):
        assert pair in itertools.pairwise(options)


def test_the_probe_never_trusts_an_unknown_host() -> None:
    probe = target_at("qemu+ssh://host/system?no_verify=1").daemon_probe
    assert "StrictHostKeyChecking=yes" in probe


def test_a_probe_that_was_named_is_taken() -> None:
    assert target_at("xen+ssh://host/system", probe=("mine",)).daemon_probe == ("mine",)


def test_a_daemon_behind_tcp_cannot_be_asked_without_a_probe() -> None:
    assert target_at("qemu+tcp://host/system").daemon_probe == ()


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("test:///default", True),
        ("qemu:///session", True),
        ("qemu+unix:///system?socket=/x", True),
        ("qemu+tcp://127.0.0.1/system", False),
        ("xen+ssh://host/system", False),
    ],
)
def test_a_uri_without_a_host_is_of_this_machine(uri: str, local: bool) -> None:  # noqa: FBT001
    assert is_local(uri) is local


@pytest.mark.parametrize("uri", ["", "default", "/etc/passwd", "1:///x"])
def test_what_is_no_uri_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="no connection URI"):
        target_at(uri)


def test_a_domain_that_libvirt_lost_is_ended_the_same_way_in() -> None:
    assert target_at("xen+ssh://host/system").hypervisor_destroy[-2:] == ("host", "xl destroy")
    assert target_at("qemu+ssh://host/system").hypervisor_destroy == ()


def test_a_xen_host_behind_ssh_is_looked_at_the_same_way_in() -> None:
    target = target_at("xen+ssh://root@host/system?keyfile=/k")
    assert target.hypervisor_list[-2:] == ("host", "xl list")
    assert target.inventory[-2:] == ("host", INVENTORIES["xen"])
    assert target.hypervisor_list[:-1] == target.daemon_probe[:-1]


def test_what_only_xen_has_is_not_asked_of_others() -> None:
    target = target_at("qemu+ssh://host/system")
    assert (target.hypervisor_list, target.inventory) == ((), ())
    assert target.daemon_probe


@pytest.mark.parametrize("uri", ["xen:///system", "xen+tcp://host/system", "test:///default"])
def test_without_a_way_in_nothing_is_looked_at(uri: str) -> None:
    target = target_at(uri)
    looked = (target.hypervisor_list, target.inventory, target.daemon_probe)
    assert looked == ((), (), ())


def test_the_inventory_is_a_line_for_each_object_and_needs_no_tool(tmp_path: Path) -> None:
    tool = tmp_path / "xenstore-list"
    tool.write_text('#!/bin/sh\n[ "$1" = /local/domain ] && printf "0\\n7\\n"\n')
    tool.chmod(0o755)
    found = _lines(INVENTORIES["xen"], path=f"{tmp_path}:{os.environ['PATH']}")
    assert {"xenstore /local/domain/0", "xenstore /local/domain/7", "network device lo"} <= found
    assert not any(line.startswith("xenstore /vm") for line in found)
    assert "network device lo" in _lines(INVENTORIES["xen"], path=os.environ["PATH"])


def _lines(command: str, *, path: str) -> set[str]:
    done = subprocess.run(
        ("sh", "-c", command), env={"PATH": path}, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines())
