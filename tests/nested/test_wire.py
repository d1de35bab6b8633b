"""Hosts of a run that are on one wire, and nobody else."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from ci.codec import decode
from ci.errors import UsageError
from ci.nested.boot import NestedHost
from ci.nested.qemu import launch_command, qemu_command
from ci.nested.wire import HIGHEST, Wire
from ci.pipelines.plan import load_plan
from tests.nested.test_qemu import MACHINE, after

WIRE = Wire(number=2, among="/runs/x")
HOST = '[[hosts]]\nkind = "nested"\nname = "{}"\nwire = {}\n'


def plan(folder: Path, *numbers: int) -> Path:
    path = folder / "plan.toml"
    path.write_text("".join(HOST.format(f"host{n}", number) for n, number in enumerate(numbers)))
    return path


def test_hosts_of_one_run_share_a_group_and_those_of_others_do_not() -> None:
    assert Wire(number=1, among="/runs/x").group == WIRE.group
    assert Wire(number=2, among="/runs/y").group != WIRE.group


def test_frames_stay_on_the_loopback_interface_in_a_private_group() -> None:
    card = WIRE.card()
    assert ",localaddr=127.0.0.1" in after(card, "-netdev")
    assert re.search(r"mcast=239(\.\d{1,3}){3}:\d{5},", after(card, "-netdev"))


def test_each_host_has_an_address_of_its_own_that_it_is_told_at_boot() -> None:
    command = qemu_command(msgspec.structs.replace(MACHINE, wire=WIRE))
    assert "mac=52:54:00:76:63:02" in " ".join(command)
    assert " virtci.wire=2" in after(command, "-initrd")


def test_a_host_without_a_number_has_one_card_and_no_wire() -> None:
    words = " ".join(launch_command(MACHINE))
    assert "mcast" not in words
    assert "virtci.wire" not in words


def test_the_host_knows_every_number_that_a_plan_may_give() -> None:
    script = resources.files("ci.nested").joinpath("files", "wire").read_text()
    numbers = re.search(r"for n in ([\d ]+);", script)
    assert numbers is not None
    assert numbers[1].split() == [str(n) for n in range(1, HIGHEST + 1)]
    assert WIRE.kernel_option.partition("=")[0].replace(".", r"\.") in script


def test_two_hosts_with_one_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two are number 3 on the wire"):
        load_plan(plan(tmp_path, 3, 3))


def test_any_number_of_hosts_may_be_off_the_wire(tmp_path: Path) -> None:
    assert [host.name for host in load_plan(plan(tmp_path, 0, 1, 0, 2)).plan.hosts] == [
        "host0", "host1", "host2", "host3",
    ]  # fmt: skip


def test_a_wire_to_an_outer_host_is_refused() -> None:
    data = {"wire": 1, "outer": {"uri": "qemu+ssh://root@outer/system"}}
    with pytest.raises(UsageError, match="a wire joins hosts of this machine"):
        decode(data, NestedHost, source="plan")
